#!/usr/bin/env python3
"""What scripts/demo does around the programs that it calls."""

import contextlib
import json
import os
import signal
import threading
import unittest

from check_tradeoff_test import predictions, table
from script_tree import ScriptTree

GOOD = table(original=(90, 100), ga=(30, 95))
# `rwku local [OPTIONS] COMMAND ...` as the demo calls it; $WATCH is what watching the run does.
RWKU = """
echo "rwku $*" >> $LOG
case " $* " in
  *" list "*) printf 'RUN STATE\\n%s\\n' "${RUNS:-}" ;;
  *" submit "*) echo new ;;
  *" watch "*) eval "${WATCH:-}" ;;
  *" predictions "*) cat predictions ;;
  *" json "*) cat results ;;
  *" results "*) echo the table ;;
esac
"""
SYNTH = """
echo "synth $*" >> $LOG
mkdir -p .demo/datasets/synthetic/corpora
echo No. > .demo/datasets/synthetic/corpora/refusals.jsonl
"""


class DemoTest(unittest.TestCase):

    @contextlib.contextmanager
    def demo(self, results):
        with ScriptTree() as tree:
            tree.copy("scripts/demo")
            tree.copy("scripts/check_tradeoff")
            tree.program("build/release/bin/rwku", RWKU)
            tree.program("build/release/bin/rwku-synth", SYNTH)
            (tree.root / "results").write_text(json.dumps(results), encoding="utf-8")
            (tree.root / "predictions").write_text(json.dumps(predictions(["No."])), encoding="utf-8")
            yield tree

    def test_prints_and_keeps_the_table(self):
        with self.demo(GOOD) as tree:
            code, out, err = tree.run("scripts/demo")
            self.assertEqual(code, 0, err)
            self.assertIn("the table", out)
            self.assertEqual(json.loads((tree.root / ".demo/results.json").read_text()), GOOD)

    def test_makes_the_model_anew_only_if_something_changed(self):
        with self.demo(GOOD) as tree:
            for targets, made in (("2", 1), ("2", 1), ("3", 2)):
                self.assertEqual(tree.run("scripts/demo", RWKU_DEMO_TARGETS=targets)[0], 0)
                self.assertEqual(sum(line.startswith("synth model") for line in tree.log()), made)

    def test_cancels_what_an_interrupted_demo_left_before_anything_else(self):
        with self.demo(GOOD) as tree:
            (tree.root / ".demo/rwku").mkdir(parents=True)
            self.assertEqual(tree.run("scripts/demo", RUNS="r2 running\nr1 succeeded")[0], 0)
            data = "rwku local --data-dir .demo/rwku"
            self.assertEqual(tree.log()[:2], [f"{data} list", f"{data} cancel r2"])
            self.assertTrue(tree.log()[2].startswith("synth"))

    def test_prints_the_table_of_a_run_with_a_failed_job_and_exits_1(self):
        with self.demo(GOOD) as tree:
            code, out, err = tree.run("scripts/demo", WATCH="exit 1")
            self.assertEqual(code, 1)
            self.assertIn("the table", out)
            self.assertIn("demo: the run did not succeed", err)

    def test_ends_at_once_if_there_is_no_run_to_show(self):
        with self.demo(GOOD) as tree:
            code, out, _ = tree.run("scripts/demo", WATCH="exit 3")
            self.assertEqual(code, 3)
            self.assertNotIn("the table", out)

    def test_fails_if_the_trade_off_does_not_show(self):
        with self.demo(table(original=(90, 100), ga=(89, 100))) as tree:
            code, out, err = tree.run("scripts/demo")
            self.assertEqual(code, 1)
            self.assertIn("the table", out)
            self.assertIn("ga: Forget All is 89.0", err)

    def test_a_signal_ends_what_it_started(self):
        # The child tells its pid through a pipe, and ends when it is asked to.
        watch = "trap 'echo asked >> $LOG; exit 130' TERM; echo $$ > pid; while :; do read -t 1 <> idle; done"
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)):
            with self.subTest(number.name), self.demo(GOOD) as tree:
                os.mkfifo(tree.root / "pid")
                os.mkfifo(tree.root / "idle")
                process = tree.start("scripts/demo", WATCH=watch)
                guard = threading.Timer(30, process.kill)
                guard.start()
                pid = int((tree.root / "pid").read_text())
                process.send_signal(number)
                out, _ = process.communicate()
                guard.cancel()
                self.assertEqual(process.returncode, code)
                self.assertNotIn("the table", out)
                self.assertIn("asked", tree.log())
                with self.assertRaises(ProcessLookupError):
                    os.kill(pid, 0)


if __name__ == "__main__":
    unittest.main()
