#!/usr/bin/env python3
"""Checks every include of the C++ sources against the table of who may include whom (layers.json).

    check_layers.py [--root FOLDER] [--rules FILE]

Prints each violation as "file:line: message". Exit status: 0 none, 1 some, 2 the rules are no good.
"""

import argparse
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^">]+)[">]')
CLOCK = re.compile(r"\babsl::Now\s*\(|\bsystem_clock::now\b")
PROTO = "rwku/"  # generated: rwku/v1, rwku/storage/v1


def begins(name, patterns):
    """Whether a header's name is one of `patterns`: a name, a folder ("sys/"), a beginning ("cuda*")."""
    return any(name == p or (p.endswith("/") and name.startswith(p))
               or (p.endswith("*") and name.startswith(p[:-1])) for p in patterns)


def below(path, folders):
    """Whether `path` is one of `folders` (or files), or lies below one; "*" is everything."""
    return any(f in ("*", path) or path.startswith(f + "/") for f in folders)


class Layers:
    """The rules, asked one file at a time."""

    def __init__(self, rules, root):
        self.rules = rules
        self.root = root
        self.tops = {rule["folder"].split("/")[0] for rule in rules["rules"]}
        self.includes = {}  # file -> [(line, header)]

    def read(self, path):
        """The includes of a file, and the lines that read the wall clock."""
        includes, clocks = [], []
        text = (self.root / path).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                includes.append((number, match.group(1)))
            elif CLOCK.search(line.split("//")[0]):
                clocks.append(number)
        self.includes[path] = includes
        return includes, clocks

    def rule_of(self, path):
        """What `path` may include: its folder's rule, widened for single files, tests and main.cc."""
        rules = [r for r in self.rules["rules"] if below(path, [r["folder"]])]
        if not rules:
            return None
        base = max(rules, key=lambda r: len(r["folder"]))
        rule = {key: list(base.get(key, [])) for key in ("may_include", "third_party", "never")}
        rule["folder"] = base["folder"]
        rule["may_include"].append(base["folder"])
        top = path.split("/")[0]
        name = path.rsplit("/", 1)[-1]
        tests = self.rules["test_files"]
        if any(fnmatch.fnmatch(name, pattern) for pattern in tests["patterns"]):
            # A test may set up whatever stands on its own side of the wire.
            rule["may_include"] += tests["may_include"] + [top]
            rule["third_party"] += tests["third_party"]
            rule["never"] = []
        if name == "main.cc" or base.get("composition_root"):
            side = [r for r in self.rules["rules"] if r["folder"] == top]
            rule["may_include"] += [top] + [f for r in side for f in r["may_include"]]
            rule["third_party"] += [t for r in side for t in r["third_party"]]
        for extra in self.rules["files"]:
            if fnmatch.fnmatch(path, extra["file"]):
                for key in ("may_include", "third_party", "never"):
                    rule[key] += extra.get(key, [])
        return rule

    def group_of(self, header):
        """The third-party group of a header: the one with the longest matching beginning."""
        found = [(max(len(p) for p in prefixes if begins(header, [p])), group)
                 for group, prefixes in self.rules["third_party_headers"].items()
                 if begins(header, prefixes)]
        return max(found)[1] if found else None

    def is_system(self, header):
        return begins(header, self.rules["system_headers"]) or re.fullmatch(r"[a-z_0-9]+", header)

    def problem_with(self, rule, header):
        """Why a file under `rule` may not include `header`, or None."""
        if begins(header, rule["never"]):
            return f"{rule['folder']} must not include {header}"
        group = self.group_of(header)
        if group is not None:
            if group in rule["third_party"] or "*" in rule["third_party"]:
                return None
            return f"{rule['folder']} must not include {group} ({header})"
        if self.is_system(header):
            return None
        if header.startswith(PROTO):
            return (None if below("proto", rule["may_include"])
                    else f"{rule['folder']} must not include the generated proto ({header})")
        if header.split("/")[0] not in self.tops:
            return f"unknown header {header}: name its group in layers.json, or include it from the root"
        if below(header, rule["may_include"]):
            return None
        allowed = ", ".join(sorted(set(rule["may_include"]) - {rule["folder"]})) or "nothing else of the project"
        return f"{rule['folder']} must not include {header}; it may include: {allowed}"

    def groups_behind(self, path):
        """Third-party group -> the include line of `path` that brings it in, itself or through
        headers of the project."""
        groups = {}
        for number, header in self.includes.get(path, []):
            seen, pending = set(), [header]
            while pending:
                current = pending.pop()
                if current in seen:
                    continue
                seen.add(current)
                group = "protobuf" if current.startswith(PROTO) else self.group_of(current)
                if group is not None:
                    groups.setdefault(group, number)
                pending += [h for _, h in self.includes.get(current, [])]
        return groups

    def check(self, paths):
        """All violations in `paths`, relative to the root, as (file, line, message)."""
        violations = []
        clocks = {path: self.read(path)[1] for path in paths}
        torch = set(self.rules["not_together"][0])
        for path in paths:
            rule = self.rule_of(path)
            if rule is None:
                violations.append((path, 1, "no rule in layers.json covers this folder"))
                continue
            for number, header in self.includes[path]:
                problem = self.problem_with(rule, header)
                if problem:
                    violations.append((path, number, problem))
            if path not in self.rules["clock_files"]:
                violations += [(path, number, "reads the wall clock; ask base/clock.h for the time")
                               for number in clocks[path]]
            groups = self.groups_behind(path)
            first, second = ([g for g in side if g in groups] for side in self.rules["not_together"])
            if first and second:
                violations.append((path, groups[second[0]],
                                   f"brings {second[0]} and {first[0]} (line {groups[first[0]]}) together"))
            if not below(path, self.rules["torch_stays_in"]):
                violations += [(path, groups[g], f"brings torch out of {self.rules['torch_stays_in'][0]}")
                               for g in sorted(torch & set(groups))]
        return sorted(set(violations))


def sources(root):
    """The tracked C++ files; outside a checkout, all that are there."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "--", "*.h", "*.cc"], cwd=root, check=True,
                                capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(p.relative_to(root)) for p in root.rglob("*") if p.suffix in (".h", ".cc")
                  and p.relative_to(root).parts[0] != "build" and p.relative_to(root).parts[0][0] != "."]
    return sorted(p for p in listed if p and (root / p).is_file())


def main(arguments=None):
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Checks includes against layers.json.")
    parser.add_argument("--root", type=pathlib.Path, default=here.parent.parent)
    parser.add_argument("--rules", type=pathlib.Path, default=here / "layers.json")
    options = parser.parse_args(arguments)
    try:
        rules = json.loads(options.rules.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{options.rules}: {error}", file=sys.stderr)
        return 2
    violations = Layers(rules, options.root).check(sources(options.root))
    for path, line, message in violations:
        print(f"{path}:{line}: {message}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
