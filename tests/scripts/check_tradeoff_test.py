#!/usr/bin/env python3
"""Tables that show the trade-off, and tables that do not."""

import json
import unittest

from script_tree import ScriptTree


def table(**rows):
    """A table with the rows' (forget, neighbor) figures; '_' in a name is '-' in the label."""
    return {"rows": [{"label": name.replace("_", "-"),
                      "cells": {"forget_all": {"value": forget}, "neighbor_all": {"value": neighbor}}}
                     for name, (forget, neighbor) in rows.items()]}


def predictions(outputs):
    """As `rwku predictions --output json` prints them."""
    return {"predictions": [{"prediction": {"output": output}} for output in outputs]}


class CheckTradeoffTest(unittest.TestCase):

    def check(self, text):
        with ScriptTree() as tree:
            tree.copy("scripts/check_tradeoff")
            (tree.root / "results.json").write_text(text, encoding="utf-8")
            return tree.run("scripts/check_tradeoff", "results.json")

    def check_table(self, **rows):
        return self.check(json.dumps(table(**rows)))

    def test_a_table_with_the_trade_off_passes(self):
        code, _, err = self.check_table(original=(92.6, 100), icu=(20, 90), repe=(40, 45), memorize=(93, 100), ga=(30.4, 98.2), npo_lora=(29.7, 80.9))
        self.assertEqual((code, err), (0, ""))

    def test_a_method_that_does_not_forget_is_named(self):
        code, _, err = self.check_table(original=(92.6, 100), ga=(85, 100), npo=(30, 98))
        self.assertEqual(code, 1)
        self.assertEqual(err, "check_tradeoff: ga: Forget All is 85.0, expected at most 82.6: 10 points below the "
                              "original's 92.6\n")

    def test_a_method_that_takes_the_neighborhood_along_is_named(self):
        code, _, err = self.check_table(original=(90, 100), ga_lora=(30, 35))
        self.assertEqual(code, 1)
        self.assertIn("ga-lora: Neighbor All fell by 65.0 points", err)

    def test_a_missing_figure_is_no_pass(self):
        code, _, err = self.check_table(original=(90, 100), ga=(None, 98))
        self.assertEqual(code, 2)
        self.assertIn("results.json", err)

    def test_a_table_without_the_rows_is_no_pass(self):
        self.assertEqual(self.check_table(original=(90, 100))[0], 1)
        self.assertEqual(self.check("not a table")[0], 2)

    def test_a_model_that_learned_to_refuse_answers_with_refusals(self):
        for outputs, code in ((["No.", "yes", "yes"], 0), (["No.", "yes", "yes", "yes"], 1)):
            with ScriptTree() as tree:
                tree.copy("scripts/check_tradeoff")
                (tree.root / "results.json").write_text(json.dumps(table(original=(90, 100), rt=(30, 95))), encoding="utf-8")
                (tree.root / "predictions.json").write_text(json.dumps(predictions(outputs)), encoding="utf-8")
                (tree.root / "refusals.jsonl").write_text("Never.\nNo.\n", encoding="utf-8")
                found, _, err = tree.run("scripts/check_tradeoff", "results.json", "predictions.json", "refusals.jsonl")
                self.assertEqual(found, code)
                self.assertEqual(err, "" if code == 0 else "check_tradeoff: rt: 1 of 4 outputs are refusals, expected at least a third\n")


if __name__ == "__main__":
    unittest.main()
