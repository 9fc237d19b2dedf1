#!/usr/bin/env python3
"""docs/metrics.md, the rules and the dashboards speak of the metrics that the code has, and the page of all of them."""
import json
import os
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = r"\b(?:rwku_(?:server|worker)|process)_[a-z0-9_]+\b"
SOURCES = ("net/metrics", "server/metrics", "worker/metrics", "worker/agent")
# What Prometheus adds to a histogram's name.
HISTOGRAM = ("_bucket", "_sum", "_count")


def in_code():
    """Names of metrics in the code, by name with the type that it is made with."""
    names = set()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).glob("*.cc")):
            if not path.name.endswith("_test.cc"):
                names |= set(re.findall(f'"({NAME})"', path.read_text()))
    return names


def in_page():
    """Rows of the page's tables: name -> (type, labels)."""
    rows = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.fullmatch(f"`({NAME})`", cells[0])
        if name and len(cells) == 4:
            rows[name[1]] = (cells[1], re.findall(r"`(\w+)`", cells[2]))
    return rows


def used_in(text, known):
    """Names in an expression, histograms' series under the histogram's own name."""
    names = set()
    for name in re.findall(NAME, text):
        for suffix in HISTOGRAM:
            if name.endswith(suffix) and name.removesuffix(suffix) in known:
                name = name.removesuffix(suffix)
        names.add(name)
    return names


class MetricsNames(unittest.TestCase):
    def test_the_page_and_the_code_agree(self):
        page = (ROOT / "docs/metrics.md").read_text()
        documented = set(in_page()) | {n for n in re.findall(f"`({NAME})`", page) if n.startswith("process_")}
        self.assertEqual(documented - in_code(), set(), "on the page, not in the code")
        self.assertEqual(in_code() - documented, set(), "in the code, not on the page")

    def test_names_follow_the_conventions(self):
        for name, (kind, labels) in in_page().items():
            with self.subTest(name):
                self.assertEqual(name.endswith("_total"), kind == "counter")
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                self.assertNotIn("_ms", name)
                # Labels that Prometheus or Kubernetes put on targets.
                self.assertFalse(set(labels) & {"job", "instance", "namespace", "pod", "service", "container", "endpoint"})

    def test_rules_use_what_there_is(self):
        for path in sorted((ROOT / "deploy/prometheus").glob("*.yaml")):
            text = path.read_text()
            self.assertEqual(used_in(text, in_code()) - in_code(), set(), path.name)

    def test_every_alert_has_its_runbook(self):
        rules = (ROOT / "deploy/prometheus/rules.yaml").read_text()
        headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/operations.md").read_text(), re.M)
        anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
        alerts = re.findall(r"^\s*- alert: (\w+)$", rules, re.M)
        links = re.findall(r"runbook_url: .*docs/operations\.md#([\w-]+)", rules)
        self.assertGreater(len(alerts), 0)
        self.assertEqual([alert.lower() for alert in alerts], links)
        self.assertEqual(set(links) - anchors, set(), "no such heading in docs/operations.md")
        for field in ("severity", "summary", "description", "runbook_url"):
            self.assertEqual(len(re.findall(rf"^\s*{field}: ", rules, re.M)), len(alerts), field)


if __name__ == "__main__":
    os.chdir(ROOT)
    unittest.main()
