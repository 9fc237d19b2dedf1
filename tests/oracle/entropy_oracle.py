"""Writes lists of tokens with their weighted n-gram entropy by numpy and NLTK's FreqDist.

    python entropy_oracle.py OUT.json [--records 12000] [--seed 20240930]

OUT.json is an array of {"tokens", "entropy"}.
"""

import argparse
import json
import random

import nltk
import numpy

import texts


def entropy(tokens):
    entropies = []
    for n in (2, 3):
        counts = numpy.array(list(nltk.FreqDist(nltk.ngrams(tokens, n)).values()))
        frequencies = counts / counts.sum() if len(counts) else counts
        entropies.append(numpy.sum(-frequencies * numpy.log(frequencies) / numpy.log(2)))
    return float(numpy.mean(numpy.array(entropies) * numpy.array([2 / 3, 4 / 3])))


def token_lists(rng, count):
    alphabets = [["a"], ["a", "b"], list("abc"), ["ab", "c", "a", "bc", "", "abc"], texts.WORDS,
                 texts.WORDS + texts.CJK + texts.EMOJI + texts.QUOTES, [str(i) for i in range(1000)]]
    for length in range(8):
        for alphabet in alphabets:
            yield [rng.choice(alphabet) for _ in range(length)]
    for _ in range(20):
        yield texts.long_text(rng).split()
    for _ in range(count):
        if rng.random() < 0.3:
            yield texts.text(rng).split(" ")
            continue
        alphabet = rng.choice(alphabets)
        yield [rng.choice(alphabet) for _ in range(rng.choice([0, 1, 2, 3, 5, 10, 30, 100, 150]))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--records", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    records = [{"tokens": tokens, "entropy": entropy(tokens)}
               for tokens in token_lists(random.Random(arguments.seed), arguments.records)]
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out, ensure_ascii=False)
    print(f"{len(records)} lists of tokens, {sum(r['entropy'] > 0 for r in records)} with an entropy above 0")


if __name__ == "__main__":
    main()
