"""Writes BBH outputs with the extracted answer and both scores of it.

    python bbh_oracle.py OUT.json [--records 12000] [--seed 20240930]

OUT.json is an array of {"output", "answer" (a string or a list), "extracted", "rea_reference", "rea_em"}.
The reference iterates over the answer: over the characters of a string, over the items of a list.
"""

import argparse
import json
import random
import re

import squad_metric
import texts

OPENINGS = ["the answer is ", "The answer is ", "|he answer is ", "he answer is ", "THE answer is ",
            "the answer is: ", "the answer is\n", "the answer is\u00a0", "So the answer is ", "the answer is the answer is "]
SHORT = ["(A)", "(B)", "b", "7", "True", "False", "valid", "yes", "[ < > ]", "3 4", "-5", "東京", "😀", "İ", "Σ", "a b",
         "12", "No.", "the", ".", "", " ", "é", "e\u0301"]
ENDS = [".", ".", ".", "", "\n", "\n.", "\r.", "\u2028.", " .", "..", "．", "。"]


def output(rng):
    parts = [texts.text(rng) if rng.random() < 0.4 else "Let's think step by step."]
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 6])):
        answer = rng.choice(SHORT) if rng.random() < 0.7 else texts.text(rng)
        parts.append(rng.choice(OPENINGS) + answer + rng.choice(ENDS))
        if rng.random() < 0.3:
            parts.append(texts.text(rng))
    return rng.choice([" ", "\n", ""]).join(parts)


def outputs(rng, count):
    for opening in OPENINGS:
        for answer in SHORT:
            for end in ENDS[2:]:
                yield opening + answer + end
    yield from ["", " ", "\n", "\u3000", ".", "NOANSWER", *SHORT]
    for _ in range(20):
        yield texts.long_text(rng) + rng.choice(OPENINGS) + rng.choice(SHORT) + rng.choice(ENDS)
        yield rng.choice(OPENINGS) * 500 + rng.choice(ENDS)
    for _ in range(count):
        yield rng.choice([output, output, output, texts.text, lambda r: r.choice(SHORT)])(rng)


def extract(text):
    found = re.search(r"[t|T]he answer is (.*?)\.", text)
    answer = found.group(1).strip() if found else text.strip()
    return answer if answer else "NOANSWER"


def answer_to(rng, extracted):
    """A string or a list of strings, never empty; sometimes what was extracted."""
    def one():
        return rng.choice([extracted, rng.choice(SHORT) or "x", texts.text(rng) or "x", texts.mutated(rng, extracted) or "x"])
    return one() if rng.random() < 0.8 else [one() for _ in range(rng.randint(1, 3))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--records", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    records = []
    for text in outputs(rng, arguments.records):
        extracted = extract(text)
        answer = answer_to(rng, extracted)
        whole = [answer] if isinstance(answer, str) else answer
        records.append({"output": text, "answer": answer, "extracted": extracted,
                        "rea_reference": squad_metric.exact_match(extracted, answer),
                        "rea_em": squad_metric.exact_match(extracted, whole)})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out, ensure_ascii=False)
    print(f"{len(records)} outputs, {sum(r['rea_reference'] for r in records)} right by characters, "
          f"{sum(r['rea_em'] for r in records)} as a whole")


if __name__ == "__main__":
    main()
