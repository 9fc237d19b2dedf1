"""Runs clang-tidy on the files of compile_commands.json whose content it has not passed before."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "rwku-tidy"
# Torch's headers take clang-tidy a minute a file; those files are left to -Wall -Wextra and the tests.
TORCH = re.compile(r'#include [<"](torch|ATen|c10)/')
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def own_headers(path, seen):
    """The project's files that `path` includes, transitively, itself among them."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in INCLUDE.findall(path.read_text()):
        own_headers(ROOT / name, seen)
        own_headers(ROOT / "proto" / re.sub(r"(\.grpc)?\.pb\.h$", ".proto", name), seen)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    config = (ROOT / ".clang-tidy").read_bytes()
    tracked = set(subprocess.run(["git", "ls-files", "*.cc"], cwd=ROOT, check=True, capture_output=True,
                                 text=True).stdout.split())
    todo = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if not path.is_relative_to(ROOT) or str(path.relative_to(ROOT)) not in tracked:
            continue
        if path.name.endswith("_test.cc") or path.is_relative_to(ROOT / "tests"):
            continue
        seen = set()
        own_headers(path, seen)
        if any(TORCH.search(file.read_text()) for file in seen):
            continue
        digest = hashlib.sha256(config)
        for file in sorted(seen):
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
        todo.append((path, CACHE / digest.hexdigest()))
    todo = sorted(set(todo))
    fresh = [item for item in todo if not item[1].exists()]
    CACHE.mkdir(parents=True, exist_ok=True)

    def check(item):
        path, stamp = item
        result = subprocess.run(["clang-tidy-14", "--quiet", "-p", str(build), str(path)], capture_output=True,
                                text=True, check=False)
        if result.returncode == 0:
            stamp.touch()
        return path, result

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, result in pool.map(check, fresh):
            if result.returncode != 0:
                failed += 1
                print(f"tidy: {path.relative_to(ROOT)}\n{result.stdout}{result.stderr}", flush=True)
    print(f"tidy: {len(todo)} files, {len(fresh)} looked at, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
