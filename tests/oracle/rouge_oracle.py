"""Writes random and adversarial pairs of texts with the ROUGE of the Python package `rouge`.

    python rouge_oracle.py OUT.json [--pairs 12000] [--seed 20240930]

OUT.json is an array of {"kind", "hypothesis", "reference", "rouge-1", "rouge-2", "rouge-l"}, each rouge with
"r", "p" and "f". Where the package raises ValueError (a text without sentences), all are 0.
"""

import argparse
import json
import random
import sys

from rouge import Rouge

SPACES = [" "] * 20 + list(
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000")
# Characters that look like white space or like a full stop and are neither.
LOOKALIKES = list("\u200b\u200c\u200d\u2060\ufeff\u180e\u00ad\u3002\uff0e\u2024\u2026\u00b7")
NAMES = ("Stephen King Carrie The Shining Maine Portland, Derry's novel-writer 1974 (born Édouard "
         "Beyoncé Łódź İstanbul naïve 北京 文学 東京 작가 писатель писатель, كاتب 😀 👩‍👩‍👧 🇫🇷 e\u0301 \u0000").split(" ")


def words(rng, count):
    return [rng.choice(NAMES) for _ in range(count)]


def prose(rng):
    """Sentences of names, as predictions look."""
    text = []
    for word in words(rng, rng.randint(1, 25)):
        text.append(word + rng.choice(["", "", "", "", ",", ".", ". ", "...", "\n"]))
    return " ".join(text)


def letters(rng):
    """Few words and many sentences: ties among longest common subsequences."""
    alphabet = "abcdef"[:rng.randint(2, 6)]
    return "".join(rng.choice(alphabet) + rng.choice([" ", " ", " ", " ", ".", ". "])
                   for _ in range(rng.randint(1, 24)))


def code_points(rng):
    """Any characters but surrogates, with spaces and stops among them."""
    text = []
    for _ in range(rng.randint(1, 40)):
        choice = rng.random()
        if choice < 0.3:
            text.append(rng.choice(SPACES))
        elif choice < 0.4:
            text.append(".")
        else:
            limit = rng.choice([0x80, 0x250, 0x3100, 0xD800, 0x110000])
            point = rng.randrange(limit)
            text.append("a" if 0xD800 <= point < 0xE000 else chr(point))
    return "".join(text)


def odd_spaces(rng):
    """Words between every kind of white space, and between what is none."""
    return "".join(rng.choice("abc") + rng.choice(SPACES[19:] + LOOKALIKES + ["."])
                   for _ in range(rng.randint(1, 20)))


def nothing(rng):
    """Full stops, white space, or nothing at all."""
    return "".join(rng.choice([".", ".", rng.choice(SPACES)]) for _ in range(rng.randint(0, 6)))


def repeated(rng):
    """A looping model."""
    unit = rng.choice([words(rng, rng.randint(1, 3)), ["a"], ["a", "b"]])
    return rng.choice([" ", ". ", "\n"]).join(unit * rng.randint(2, 30))


def long_text(rng):
    return " ".join(word + rng.choice([""] * 40 + ["."]) for word in words(rng, rng.randint(200, 500)))


def mutated(rng, text):
    """`text` with characters or words dropped, doubled or moved."""
    parts = text.split(" ") if rng.random() < 0.7 else list(text)
    for _ in range(rng.randint(1, 4)):
        if not parts:
            break
        at = rng.randrange(len(parts))
        action = rng.randrange(4)
        if action == 0:
            del parts[at]
        elif action == 1:
            parts.insert(at, parts[at])
        elif action == 2:
            parts.insert(rng.randrange(len(parts)), parts.pop(at))
        else:
            parts[at] = rng.choice([".", "", " ", "\u00a0", "x"])
    return (" " if len(parts) < len(text) else "").join(parts)


KINDS = {"prose": prose, "letters": letters, "code_points": code_points, "odd_spaces": odd_spaces,
         "nothing": nothing, "repeated": repeated}


def pairs(rng, count):
    edges = ["", ".", "..", " ", ". ", " .", ". .", "a", "a.", ".a", "a. ", "\n", "\u00a0", "\u200b"]
    for hypothesis in edges:
        for reference in edges:
            yield "edge", hypothesis, reference
    for _ in range(30):
        text = long_text(rng)
        yield "long", text, rng.choice([prose(rng), mutated(rng, text), long_text(rng)])
    for _ in range(count):
        kind = rng.choice(list(KINDS))
        reference = KINDS[kind](rng)
        choice = rng.random()
        if choice < 0.5:
            hypothesis = KINDS[kind](rng)
        elif choice < 0.85:
            hypothesis = mutated(rng, reference)
        else:
            kind, hypothesis = "mixed", KINDS[rng.choice(list(KINDS))](rng)
        yield kind, hypothesis, reference


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--pairs", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    sys.setrecursionlimit(100000)  # the package walks back through its table by recursion
    scorer = Rouge()
    records = []
    for kind, hypothesis, reference in pairs(random.Random(arguments.seed), arguments.pairs):
        try:
            scores = scorer.get_scores(hypothesis, reference, avg=True)
        except ValueError:
            scores = {name: {"r": 0.0, "p": 0.0, "f": 0.0} for name in ("rouge-1", "rouge-2", "rouge-l")}
        records.append({"kind": kind, "hypothesis": hypothesis, "reference": reference, **scores})
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(records, out, ensure_ascii=True)
    print(f"{len(records)} pairs, {sum(r['rouge-l']['r'] > 0 for r in records)} with a recall above 0")


if __name__ == "__main__":
    main()
