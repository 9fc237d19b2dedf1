#!/usr/bin/env python3
"""docs/metrics.md, the rules and the dashboards speak of the metrics that the code has, and the page of all of them."""
import json
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
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


def dashboards():
    paths = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
    assert [path.stem for path in paths] == ["coordinator", "overview", "runs", "workers"], paths
    return paths


def expressions_of(path):
    dashboard = json.loads(path.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


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

    def test_dashboards_use_what_there_is(self):
        for path in dashboards():
            expressions = " ".join(expressions_of(path))
            self.assertEqual(used_in(expressions, in_code()) - in_code(), set(), path.name)

    def test_two_coordinators_in_one_prometheus_are_told_apart(self):
        """Runs of both may have one id, and a chosen coordinator's panels show its metrics only."""
        for path in dashboards():
            for expr in expressions_of(path):
                self.assertNotRegex(expr, r"on \(run\)", path.name)
                for selector in re.findall(r"rwku_server_\w+(\{[^}]*\})?", expr):
                    self.assertIn('instance=~"$instance"', selector, f"{path.name}: {expr}")
            variables = [one["name"] for one in json.loads(path.read_text())["templating"]["list"]]
            self.assertEqual("instance" in variables, any("$instance" in expr for expr in expressions_of(path)), path.name)

    def test_every_ending_of_a_name_has_a_look_of_its_own(self):
        """Of workers named by hand and of pods, whose names end in any of 27 letters and digits."""
        panels = json.loads((ROOT / "deploy/grafana/dashboards/workers.json").read_text())["panels"]
        by_worker = [panel for panel in panels if any(t["legendFormat"] == "{{worker}}" for t in panel.get("targets", []))]
        self.assertGreater(len(by_worker), 5)
        for panel in by_worker:
            looks = {}
            for end in string.digits + string.ascii_letters:
                found = [one["properties"] for one in panel["fieldConfig"]["overrides"]
                         if re.search(one["matcher"]["options"].strip("/"), f"worker-{end}")]
                self.assertEqual(len(found), 1, f"{panel['title']}: {end}")
                looks[end.lower()] = json.dumps(found[0])
            self.assertEqual(len(set(looks.values())), 36, panel["title"])

    def test_every_metric_is_drawn_or_named_as_not(self):
        """What no dashboard shows is for queries by hand."""
        drawn = set()
        for path in dashboards():
            drawn |= used_in(" ".join(expressions_of(path)), in_code())
        by_hand = {"process_virtual_memory_bytes", "process_start_time_seconds", "rwku_server_runs", "rwku_server_store_live_files",
                   "rwku_worker_leases", "rwku_worker_predictions_total", "rwku_worker_training_steps_total"}
        self.assertEqual(in_code() - drawn, by_hand)

    def test_dashboards_are_those_that_the_script_makes(self):
        subprocess.run([sys.executable, ROOT / "deploy/grafana/make_dashboards.py", "--check"], check=True)

    def test_panels_are_described_and_links_lead_somewhere(self):
        headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/operations.md").read_text(), re.M)
        anchors = {heading.lower() for heading in headings}
        for path in dashboards():
            dashboard = json.loads(path.read_text())
            links = list(dashboard["links"])
            for panel in dashboard["panels"]:
                if panel["type"] != "row":
                    self.assertTrue(panel["description"], panel["title"])
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])
                links += panel.get("links", [])
            for link in links:
                if "operations.md#" in link["url"]:
                    self.assertIn(link["url"].split("#")[1], anchors)
                elif link["url"].startswith("/d/"):
                    self.assertIn(link["url"].removeprefix("/d/rwku-"), [path.stem for path in dashboards()])

    def test_no_colour_is_red_or_green_alone(self):
        okabe_ito = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999"}
        for path in dashboards():
            self.assertEqual(set(re.findall(r"#[0-9A-Fa-f]{6}\b", path.read_text())) - okabe_ito, set(), path.name)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool here (scripts/setup --tests)")
    def test_every_expression_parses(self):
        rules = []
        for path in dashboards():
            for expr in expressions_of(path):
                for name, value in {"$__rate_interval": "1m", "$run": "r1", "$worker": ".*", "$instance": ".*"}.items():
                    expr = expr.replace(name, value)
                self.assertNotIn("$", expr)
                rules.append({"record": f"expression:{len(rules)}", "expr": expr})
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules.yaml"  # JSON is YAML
            file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
            done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    os.chdir(ROOT)
    unittest.main()
