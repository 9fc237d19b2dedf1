#!/usr/bin/env python3
"""The checker of kernels on reports with planted faults."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import check_kernels

REPORT = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z3addPf' for 'sm_80'
ptxas info    : Function properties for _Z3addPf
    {stack} bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used {registers} registers, used 0 barriers, 372 bytes cmem[0]
ptxas info    : Compiling entry function '_Z3addPf' for 'sm_90'
ptxas info    : Function properties for _Z3addPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers
"""


def report(registers=10, stack=0, stores=0, loads=0):
    return REPORT.format(registers=registers, stack=stack, stores=stores, loads=loads)


class CheckKernelsTest(unittest.TestCase):

    def problems(self, text, architectures=(80, 90)):
        return check_kernels.problems_of("a.ptxas", text, architectures, max_registers=64)

    def test_kernels_within_the_bounds_pass(self):
        self.assertEqual(self.problems(report(registers=64)), [])

    def test_registers_beyond_the_bound_are_named(self):
        self.assertEqual(self.problems(report(registers=65)),
                         ["a.ptxas: _Z3addPf for sm_80: 65 registers; 64 are allowed"])

    def test_anything_in_local_memory_is_named(self):
        for fault in ({"stack": 8}, {"stores": 8}, {"loads": 8}):
            problems = self.problems(report(**fault))
            self.assertEqual(len(problems), 1)
            self.assertIn("none are allowed", problems[0])

    def test_an_architecture_that_is_missing_is_named(self):
        self.assertEqual(self.problems(report(), (80, 90, 100)), ["a.ptxas: _Z3addPf for sm_100: not compiled"])

    def test_a_report_without_kernels_or_without_figures_fails(self):
        self.assertEqual(self.problems("nothing"), ["a.ptxas: no kernel"])
        self.assertEqual(len(self.problems(report().replace("Used", "Took"))), 2)

    def test_the_program_fails_where_one_of_its_reports_does(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = (pathlib.Path(folder) / name for name in ("good.ptxas", "bad.ptxas"))
            good.write_text(report())
            bad.write_text(report(stores=4))
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
                options = ["--max-registers", "64", "80", "90", "--"]
                self.assertEqual(check_kernels.main(options + [str(good)]), 0)
                self.assertEqual(check_kernels.main(options + [str(good), str(bad)]), 1)
            self.assertIn("bad.ptxas", err.getvalue())


if __name__ == "__main__":
    unittest.main()
