"""Writes per-target figures with what numpy makes of them: bootstrap interval, sign-flip p, detectable difference.

    python statistics_oracle.py OUT.json [--cases 60] [--seed 20240930]

The draws are those of base/random.h, computed here anew (SplitMix64 over key and counter). OUT.json is an array of
{"values", "low", "high", "p", "detectable"}; "p" is exact up to 14 values and from the draws beyond.
"""

import argparse
import json
import random

import numpy

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
RESAMPLES = 10000
SEED = 42


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def key(seed, name):
    k = mix((seed + GOLDEN) & MASK)
    for byte in name.encode():
        k = mix(k ^ ((byte + GOLDEN) & MASK))
    return k


def numbers(seed, name, count):
    """The first `count` numbers of a stream, at once: each depends on its position only."""
    with numpy.errstate(over="ignore"):
        x = numpy.uint64(key(seed, name)) + numpy.uint64(GOLDEN) * numpy.arange(1, count + 1, dtype=numpy.uint64)
        x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return x ^ (x >> numpy.uint64(31))


def interval(values):
    count = len(values)
    # A number below 2^64 mod count would be drawn again; with these counts none occurs.
    drawn = numbers(SEED, f"bootstrap of {count}", RESAMPLES * count)
    assert (drawn >= numpy.uint64((1 << 64) % count)).all()
    indices = (drawn % numpy.uint64(count)).reshape(RESAMPLES, count).astype(int)
    means = numpy.asarray(values)[indices].mean(axis=1)
    return numpy.percentile(means, [2.5, 97.5])


def p_value(values):
    values = numpy.asarray(values)
    count = len(values)
    observed = abs(values.sum()) - 1e-12 * abs(values).sum()
    if count <= 14:
        patterns = (numpy.arange(1 << count)[:, None] >> numpy.arange(count)) & 1
        return (abs((1 - 2 * patterns) @ values) >= observed).mean()
    words = -(-count // 64)
    drawn = numbers(SEED, "sign flips", RESAMPLES * words).reshape(RESAMPLES, words)
    bits = (drawn[:, :, None] >> numpy.arange(64, dtype=numpy.uint64)) & numpy.uint64(1)
    signs = 1 - 2 * bits.reshape(RESAMPLES, -1)[:, :count].astype(int)
    return (1 + (abs(signs @ values) >= observed).sum()) / (1 + RESAMPLES)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    cases = []
    for number in range(arguments.cases):
        count = [2, 3, 14, 15, 64, 65, 200][number % 7] if number < 21 else rng.randint(2, 100)
        mean, spread = rng.choice([0, 0.5, 3, 40]), rng.choice([1, 10, 30])
        values = [rng.gauss(mean, spread) for _ in range(count)]
        low, high = interval(values)
        error = numpy.std(values, ddof=1) / numpy.sqrt(count)
        cases.append({"values": values, "low": low, "high": high, "p": float(p_value(values)),
                      "detectable": (1.959963984540054 + 0.8416212335729143) * error})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(cases, out)
    print(f"{len(cases)} cases of 2 to 200 values")


if __name__ == "__main__":
    main()
