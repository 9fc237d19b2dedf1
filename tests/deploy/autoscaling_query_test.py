#!/usr/bin/env python3
"""The query by which the chart scales pools of workers, as it is rendered, asked of Prometheus' own evaluation."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LABELS = 'namespace="rwku", service="rwku-server-pods"'


def rendered():
    found = set(re.findall(r"^        query: (\".*\")$", (ROOT / "deploy/kubernetes/gpu.yaml").read_text(encoding="utf-8"), re.M))
    assert len(found) == 1, found  # of every pool
    return json.loads(found.pop())


def wanted(jobs, at_once, labels=LABELS):
    """Series of a coordinator whose open jobs want `jobs` workers in all, the largest of them `at_once`."""
    return [{"series": f"rwku_server_workers_wanted{{{labels}}}", "values": str(jobs)},
            {"series": f"rwku_server_workers_wanted_at_once{{{labels}}}", "values": str(at_once)}]


@unittest.skipUnless(shutil.which("promtool"), "no promtool here (scripts/setup --tests)")
class AutoscalingQueryTest(unittest.TestCase):

    def check(self, series, *values):
        test = {"interval": "1m", "input_series": series, "promql_expr_test": [
            {"expr": rendered(), "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": value} for value in values]}]}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "test.yaml"  # JSON is YAML
            file.write_text(json.dumps({"tests": [test]}), encoding="utf-8")
            done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_one_worker_for_four_jobs(self):
        self.check(wanted(9, 1), 2.25)  # three: what is begun counts
        self.check(wanted(1, 1), 1)

    def test_a_gang_gets_all_of_its_workers(self):
        self.check(wanted(4, 4), 4)
        self.check(wanted(100, 4), 25)

    def test_without_open_jobs_none(self):
        self.check(wanted(0, 0), 0)

    def test_no_figures_are_no_answer(self):
        self.check([])

    def test_another_release_does_not_count(self):
        other = 'namespace="other", service="rwku-server-pods"'
        self.check(wanted(400, 8, other))
        self.check(wanted(400, 8, other) + wanted(8, 1), 2)


if __name__ == "__main__":
    unittest.main()
