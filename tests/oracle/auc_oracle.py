"""Writes pairs of samples with the area under the ROC curve, counted over all pairs by numpy.

    python auc_oracle.py OUT.json [--records 12000] [--seed 20240930]

OUT.json is an array of {"positives", "negatives", "auc"}, "auc" null with an empty side.
"""

import argparse
import json

import numpy


def area(positives, negatives):
    """Share of pairs won, a tie counting half."""
    if not len(positives) or not len(negatives):
        return None
    differences = positives[:, None] - negatives[None, :]
    return float(((differences > 0).sum() + 0.5 * (differences == 0).sum()) / differences.size)


def sample(generator, kind, size):
    if kind == 0:  # many ties
        return generator.integers(-3, 3, size).astype(numpy.float64)
    if kind == 1:  # all equal
        return numpy.zeros(size)
    if kind == 2:  # log-probabilities rounded to float32, as a model gives them
        return -generator.exponential(2.0, size).astype(numpy.float32).astype(numpy.float64)
    return generator.normal(generator.uniform(-2, 2), 1.0, size)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--records", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    generator = numpy.random.default_rng(arguments.seed)
    records = []
    for i in range(arguments.records):
        kind = int(generator.integers(4))
        most = 600 if i % 200 == 0 else 40
        positives, negatives = (sample(generator, kind, int(generator.integers(0, most))) for _ in range(2))
        records.append({"positives": positives.tolist(), "negatives": negatives.tolist(),
                        "auc": area(positives, negatives)})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out)
    print(f"{len(records)} pairs of samples, {sum(r['auc'] is None for r in records)} with an empty side")


if __name__ == "__main__":
    main()
