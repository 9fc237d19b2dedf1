"""Writes predictions and answers with their SQuAD tokens, exact match and F1.

    python squad_oracle.py OUT.json [--records 12000] [--seed 20240930]

OUT.json is an array of {"prediction", "answers", "tokens" (of the prediction), "em", "f1"}. Every
assigned code point is in at least one prediction, alone and at the edges of articles and words.
"""

import argparse
import json
import random

import squad_metric
import texts


def all_characters():
    """Every assigned code point beside articles, words and a capital sigma."""
    for start in range(0, len(texts.ASSIGNED), 16):
        yield " ".join(f"{c} a{c} {c}the A{c}n X{c}Σ{c}" for c in texts.ASSIGNED[start:start + 16])


def answers_to(rng, prediction):
    answers = []
    for _ in range(rng.randint(1, 4)):
        choice = rng.random()
        answers.append(texts.mutated(rng, prediction) if choice < 0.6 else texts.text(rng))
    return answers


def cases(rng, count):
    edges = ["", " ", ".", "a", "the", "A.", "_", "x", "\u00a0", "\u0301", "Σ", "İ", "a\u0301"]
    for prediction in edges:
        for answer in edges:
            yield prediction, [answer]
    for prediction in all_characters():
        yield prediction, [prediction.upper()]
    for _ in range(20):
        prediction = texts.long_text(rng)
        yield prediction, [texts.mutated(rng, prediction), texts.long_text(rng)]
    for _ in range(count):
        prediction = texts.text(rng)
        yield prediction, answers_to(rng, prediction)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--records", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    records = []
    for prediction, answers in cases(random.Random(arguments.seed), arguments.records):
        records.append({"prediction": prediction, "answers": answers,
                        "tokens": squad_metric.tokens(prediction),
                        "em": squad_metric.exact_match(prediction, answers),
                        "f1": squad_metric.f1(prediction, answers)})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out, ensure_ascii=False)
    print(f"{len(records)} predictions, {sum(r['em'] for r in records)} exact, "
          f"{sum(0 < r['f1'] < 1 for r in records)} with an F1 between 0 and 1")


if __name__ == "__main__":
    main()
