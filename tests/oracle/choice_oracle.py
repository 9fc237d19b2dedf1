"""Writes scored choices with MC1, MC2 and the arg-max, and answers with their memorization, by numpy.

    python choice_oracle.py OUT.json [--records 12000] [--seed 20240930]

OUT.json is an array of {"scores", "labels", "mc1", "mc2", "argmax", "log_probabilities" (float32),
"is_most_likely", "probability", "exact_memorization", "extraction_strength"}. Scores are null where a
list is empty or has no true or no false choice. MC1 and MC2 are the RWKU reference's, the rest is
open-unlearning's, but for extraction strength 0 where the last token is not the arg-max.
"""

import argparse
import json

import numpy


def mc1(true, false):
    return float(true[0] > max(false)) if true and false else None


def mc2(true, false):
    if not true and not false:
        return None
    # Long double: the reference's formula without its underflow to 0 / 0.
    probabilities_true = numpy.exp(numpy.array(true, dtype=numpy.longdouble))
    probabilities_false = numpy.exp(numpy.array(false, dtype=numpy.longdouble))
    return float(probabilities_true.sum() / (probabilities_true.sum() + probabilities_false.sum()))


def choices(generator, i):
    count = int(generator.integers(0, 12))
    scale = [1.0, 30.0, 1000.0][i % 3]
    scores = -generator.exponential(scale, count).astype(numpy.float32).astype(numpy.float64)
    if i % 4 == 0:
        scores = numpy.round(scores)  # ties
    labels = generator.integers(0, 2, count).tolist()
    true = [s for s, label in zip(scores.tolist(), labels) if label]
    false = [s for s, label in zip(scores.tolist(), labels) if not label]
    return {"scores": scores.tolist(), "labels": labels, "mc1": mc1(true, false), "mc2": mc2(true, false),
            "argmax": int(numpy.argmax(scores)) if count else None}


def memorization(generator):
    count = int(generator.integers(0, 40))
    log_probabilities = -generator.exponential(generator.choice([0.1, 2.0, 20.0]), count).astype(numpy.float32)
    hits = (generator.random(count) < generator.choice([0.1, 0.5, 0.95, 1.0])).tolist()
    strength = None
    if count:
        strength = max((1 - k / count for k in range(count) if all(hits[k:])), default=0.0)
    return {"log_probabilities": log_probabilities.tolist(), "is_most_likely": hits,
            "probability": float(numpy.exp(log_probabilities.astype(numpy.float64).mean())) if count else None,
            "exact_memorization": float(numpy.mean(hits)) if count else None,
            "extraction_strength": strength}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--records", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    generator = numpy.random.default_rng(arguments.seed)
    records = [{**choices(generator, i), **memorization(generator)} for i in range(arguments.records)]
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out)
    print(f"{len(records)} lists of choices, {sum(r['mc1'] == 1 for r in records)} with an MC1 of 1")


if __name__ == "__main__":
    main()
