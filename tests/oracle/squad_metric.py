"""SQuAD's normalisation, exact match and token F1 in plain Python, as the RWKU reference computes them."""

import collections
import re
import string


PUNCTUATION = set(string.punctuation)


def tokens(text):
    text = "".join(c for c in text.lower() if c not in PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", text, flags=re.UNICODE).split()


def exact_match(prediction, answers):
    predicted = tokens(prediction)
    return max(int(predicted == tokens(answer)) for answer in answers)


def f1_of(predicted, expected):
    if not predicted or not expected:
        return int(predicted == expected)
    common = sum((collections.Counter(predicted) & collections.Counter(expected)).values())
    if common == 0:
        return 0
    precision = common / len(predicted)
    recall = common / len(expected)
    return 2 * precision * recall / (precision + recall)


def f1(prediction, answers):
    predicted = tokens(prediction)
    return max(f1_of(predicted, tokens(answer)) for answer in answers)
