#!/usr/bin/env python3
"""Registers, stack and spills of GPU kernels, from what ptxas -v said of them.

Usage: check_kernels.py --max-registers N ARCHITECTURE... -- REPORT...

Fails where a kernel keeps anything in local memory, takes more than N registers, or was not
compiled for each of the architectures (80 for sm_80); and where a report names no kernel.
"""

import argparse
import pathlib
import re
import sys

KERNEL = re.compile(r"Compiling entry function '([^']+)' for 'sm_(\d+)'")
MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def read_report(text):
    """{(kernel, architecture): {"registers": n, "stack": n, "stores": n, "loads": n}}"""
    kernels = {}
    current = None
    for line in text.splitlines():
        if match := KERNEL.search(line):
            current = kernels.setdefault((match[1], int(match[2])), {})
        elif current is not None and (match := MEMORY.search(line)):
            current.update(stack=int(match[1]), stores=int(match[2]), loads=int(match[3]))
        elif current is not None and (match := REGISTERS.search(line)):
            current["registers"] = int(match[1])
    return kernels


def problems_of(name, text, architectures, max_registers):
    kernels = read_report(text)
    if not kernels:
        return [f"{name}: no kernel"]
    problems = []
    for kernel in sorted({kernel for kernel, _ in kernels}):
        for architecture in architectures:
            where = f"{name}: {kernel} for sm_{architecture}"
            figures = kernels.get((kernel, architecture))
            if figures is None:
                problems.append(f"{where}: not compiled")
            elif len(figures) != 4:
                problems.append(f"{where}: ptxas reported {', '.join(figures) or 'nothing'} only")
            else:
                if figures["stack"] or figures["stores"] or figures["loads"]:
                    problems.append(f"{where}: {figures['stack']} bytes of stack, {figures['stores']} of spill stores, "
                                    f"{figures['loads']} of spill loads; none are allowed")
                if figures["registers"] > max_registers:
                    problems.append(f"{where}: {figures['registers']} registers; {max_registers} are allowed")
    return problems


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-registers", type=int, required=True)
    separator = arguments.index("--") if "--" in arguments else len(arguments)
    parser.add_argument("architectures", type=int, nargs="+")
    options = parser.parse_args(arguments[:separator])
    reports = arguments[separator + 1:]
    if not reports:
        parser.error("no report")
    problems = []
    for report in map(pathlib.Path, reports):
        text = report.read_text()
        problems += problems_of(report.name, text, options.architectures, options.max_registers)
        for (kernel, architecture), figures in sorted(read_report(text).items()):
            print(f"{report.name} sm_{architecture} {figures.get('registers')} registers {kernel}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
