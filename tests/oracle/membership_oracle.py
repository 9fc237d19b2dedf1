"""Writes texts and token scores with the membership scores that numpy and zlib give for them.

    python membership_oracle.py OUT.json [--texts 12000] [--seed 20240930]

OUT.json is an array of {"text", "compressed", "log_probabilities", "means", "variances", "scores"};
the token scores are float32 values, "scores" maps names to float64 values, null where there is none.
"""

import argparse
import json
import math
import random
import zlib

import numpy

import texts


def random_text(rng):
    if rng.random() < 0.5:
        return texts.text(rng)
    kind = rng.randrange(4)
    length = rng.choice([0, 1, 5, 50] * 12 + [500, 5000])
    if kind == 0:
        return "".join(rng.choice("abc .") for _ in range(length))
    if kind == 1:
        return "King " * length
    if kind == 2:
        return "".join(chr(rng.randrange(0xD800)) for _ in range(length))
    return "".join(chr(rng.randrange(0x1F300, 0x1F600)) for _ in range(length))


def lowest_share(values, ratio):
    count = int(len(values) * ratio)
    return float(numpy.mean(numpy.sort(values)[:count])) if count else None


def scores(text, log_probabilities, means, variances):
    result = {"loss": float(numpy.mean(log_probabilities)) if len(log_probabilities) else None}
    result["zlib"] = (None if result["loss"] is None
                      else result["loss"] / len(zlib.compress(text.encode("utf-8"))))
    with numpy.errstate(all="ignore"):
        normalised = (log_probabilities - means) / numpy.sqrt(variances)
        for tenths in range(1, 11):
            ratio = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0][tenths - 1]
            result[f"min_k_{tenths * 10}"] = lowest_share(log_probabilities, ratio)
            result[f"min_k_plus_plus_{tenths * 10}"] = lowest_share(normalised, ratio)
    return {name: value if value is not None and math.isfinite(value) else None
            for name, value in result.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--texts", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    generator = numpy.random.default_rng(arguments.seed)
    records = []
    for i in range(arguments.texts):
        tokens = i if i < 300 else rng.choice([0, 1, 2, 9, 10, 11] * 6 + [90, 511])
        log_probabilities = -generator.exponential(3.0, tokens).astype(numpy.float32)
        means = -generator.exponential(2.0, tokens).astype(numpy.float32)
        variances = generator.exponential(2.0, tokens).astype(numpy.float32)
        if tokens and rng.random() < 0.3:  # a certain model: no variance, or rounding below zero
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(tokens)
                variances[at] = rng.choice([0.0, -1e-7])
                if rng.random() < 0.5:
                    means[at] = log_probabilities[at]
        text = random_text(rng)
        records.append({
            "text": text, "compressed": len(zlib.compress(text.encode("utf-8"))),
            "log_probabilities": log_probabilities.tolist(), "means": means.tolist(),
            "variances": variances.tolist(),
            "scores": scores(text, *(a.astype(numpy.float64)
                                     for a in (log_probabilities, means, variances)))})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out, ensure_ascii=False)
    print(f"{len(records)} texts")


if __name__ == "__main__":
    main()
