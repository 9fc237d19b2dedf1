#!/usr/bin/env python3
"""scripts/cluster/compare-runs: what is equal, what is not."""

import copy
import json
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/cluster/compare-runs"


def job(target, digest="d"):
    return {"name": f"runs/r1/jobs/{target}", "target_number": target, "recipe": {"label": "ga"}, "seed": "42",
            "state": "JOB_STATE_SUCCEEDED", "worker": "w0", "attempts": 1,
            "result": {"prediction_count": 2, "predictions_digest": digest, "training_curve": [{"loss": 1.5}]}}


class CompareRunsTest(unittest.TestCase):

    def compare(self, expected, found):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("expected", "found")]
            for path, jobs in zip(paths, (expected, found)):
                path.write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
            process = subprocess.run([SCRIPT, *paths], capture_output=True, text=True, check=False)
            return process.returncode, process.stdout + process.stderr

    def test_order_workers_and_attempts_do_not_matter(self):
        expected = [job(1), job(2)]
        found = [dict(job(2), worker="w9", attempts=3, name="runs/r2/jobs/7"), job(1)]
        self.assertEqual(self.compare(expected, found), (0, "compare-runs: 2 jobs, all results equal\n"))

    def test_a_digest_a_loss_a_missing_and_a_failed_job_are_found(self):
        loss = copy.deepcopy(job(1))
        loss["result"]["training_curve"][0]["loss"] = 1.6
        for name, found in {"digest": [job(1, "other")], "loss": [loss], "missing": [], "one too many": [job(1), job(2)],
                            "failed": [dict(job(1), state="JOB_STATE_FAILED")]}.items():
            with self.subTest(name):
                code, said = self.compare([job(1)], found)
                self.assertEqual(code, 1)
                self.assertIn("jobs differ", said)

    def test_two_empty_runs_prove_nothing(self):
        self.assertEqual(self.compare([], [])[0], 1)

    def test_the_same_failure_twice_is_no_success(self):
        failed = [dict(job(1), state="JOB_STATE_FAILED")]
        self.assertEqual(self.compare(failed, failed)[0], 1)


if __name__ == "__main__":
    unittest.main()
