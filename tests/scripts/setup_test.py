#!/usr/bin/env python3
"""What scripts/setup installs, on a machine that lacks some of it."""

import contextlib
import unittest

from script_tree import ScriptTree

# `apt-get install` leaves the cargo of $DEBIAN_CARGO where it installs programs.
APT = """
echo "apt-get $*" >> $LOG
[[ " $* " == *" cargo-web "* ]] || exit 0
printf '#!/bin/sh\\necho "cargo %s (Debian)"\\n' "$DEBIAN_CARGO" > system/cargo
chmod +x system/cargo
"""
# `python3 -m venv FOLDER`
PYTHON = """
echo "venv" >> $LOG
mkdir -p "$3/bin"
echo '#!/bin/sh' > "$3/bin/python"
echo '#!/bin/sh\necho "pip $*" >> '$LOG > "$3/bin/pip"
chmod +x "$3"/bin/*
"""


class SetupTest(unittest.TestCase):

    @contextlib.contextmanager
    def machine(self, cargo):
        """One that has the Debian packages, and cargo in this version; None: none."""
        with ScriptTree() as tree:
            for name in ("scripts/setup", "scripts/requirements/torch-cpu.txt", "text/Cargo.toml"):
                tree.copy(name)
            (tree.root / "system").mkdir()
            tree.program("bin/dpkg-query", "echo install ok installed")
            tree.program("bin/sudo", 'exec "$@"')
            tree.program("bin/apt-get", APT)
            tree.program("bin/python3", PYTHON)
            if cargo:
                tree.program("bin/cargo", f'echo "cargo {cargo} (0123abc 2026-01-01)"')
            yield tree

    def setup_on(self, tree, *arguments, debian_cargo="1.96.0"):
        path = f"{tree.root}/bin:{tree.root}/system:{tree.root}/tools"
        tools = tree.root / "tools"
        if not tools.exists():  # the system's programs without its cargo
            tools.mkdir()
            for tool in ("bash", "basename", "cat", "chmod", "cmp", "cp", "cut", "dirname", "env", "grep", "mkdir", "rm",
                         "sed", "sh", "sort"):
                (tools / tool).symlink_to(f"/usr/bin/{tool}")
        return tree.run("scripts/setup", *arguments, PATH=path, DEBIAN_CARGO=debian_cargo)

    def test_a_cargo_that_is_new_enough_is_taken(self):
        for version in ("1.85.0", "1.100.2", "2.0.0"):
            with self.subTest(version), self.machine(version) as tree:
                code, _, err = self.setup_on(tree)
                self.assertEqual(code, 0, err)
                self.assertFalse([line for line in tree.log() if "cargo-web" in line])

    def test_an_old_cargo_or_none_leads_to_debians(self):
        for version in ("1.84.9", "1.9.0", "0.66.0", None):
            with self.subTest(version), self.machine(version) as tree:
                code, out, err = self.setup_on(tree)
                self.assertEqual(code, 0, err)
                self.assertIn("no cargo of at least 1.85 on PATH", out)
                self.assertEqual(len([line for line in tree.log() if "cargo-web rustc-web" in line]), 1)
                self.setup_on(tree)  # found beside the old one
                self.assertEqual(len([line for line in tree.log() if "cargo-web rustc-web" in line]), 1)

    def test_a_debian_without_a_new_enough_cargo_is_an_error(self):
        with self.machine("1.60.0") as tree:
            code, _, err = self.setup_on(tree, debian_cargo="1.63.0")
            self.assertEqual(code, 1)
            self.assertIn("older than 1.85, too", err)

    def test_a_half_made_venv_is_made_again_with_its_wheels(self):
        with self.machine("1.85.0") as tree:
            self.assertEqual(self.setup_on(tree)[0], 0)
            self.assertEqual([line.split()[0] for line in tree.log()], ["venv", "pip"])
            self.assertEqual(self.setup_on(tree)[0], 0)  # nothing to do
            self.assertEqual(len(tree.log()), 2)
            (tree.root / ".deps/venv/bin/pip").unlink()
            self.assertEqual(self.setup_on(tree)[0], 0)
            self.assertEqual([line.split()[0] for line in tree.log()[2:]], ["venv", "pip"])

    def test_without_torch_neither_its_wheels_nor_rust_are_installed(self):
        with self.machine(cargo=None) as tree:
            code, _, err = self.setup_on(tree, "--no-torch")
            self.assertEqual(code, 0, err)
            self.assertEqual(tree.log(), ["venv"])

    def test_an_unknown_argument_is_refused_with_those_that_are_allowed(self):
        with self.machine("1.85.0") as tree:
            code, _, err = self.setup_on(tree, "--torch")
            self.assertEqual(code, 2)
            self.assertEqual(err, 'setup: unknown argument "--torch"; allowed: --no-torch, --tests, --cuda, --cluster\n')


if __name__ == "__main__":
    unittest.main()
