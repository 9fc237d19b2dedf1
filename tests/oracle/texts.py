"""Random texts of many kinds, for the oracles of what reads text.

Code points are those assigned in the running Python's Unicode (3.11: Unicode 14). Debian's ICU 72 has
Unicode 15: on what is unassigned in the older both are right and differ. Of private characters, all
alike, there are few.
"""

import unicodedata

ASSIGNED = [chr(point) for point in range(0x110000)
            if unicodedata.category(chr(point)) not in ("Cn", "Co", "Cs")] + ["\ue000", "\U0010fffd"]
# Letters with case of their own kind: expanding, final sigma, Turkish, titlecase, beyond the basic plane.
CASED = list("İIıiΣσςΑΆΐΰẞßŉǰǅǄﬀﬆÅKΩꭰᏸⓐⅧ\U00010400\U0001e900") + ["I\u0307", "Σ\u0301", "Σ'", "Σ\u00ad"]
# What lies at the edge of a word: marks, joiners, modifiers, digits, underscores.
EDGES = list("_'’`-.\u0301\u0345\u200b\u200c\u200d\u2060\ufeff\u00ad\u02b0\u02bc²½Ⅷ٣०\u093e\u20ac\ufffd\u0000")
SPACES = list(" \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000")
ARTICLES = ["a", "an", "the", "A", "An", "AN", "The", "THE", "a.", "(the", "an,", "tHe", "á", "a\u0301"]
WORDS = ("Stephen King Carrie Shining Maine Portland, Derry's novel-writer born Édouard Beyoncé Łódź İstanbul naïve "
         "ΟΔΥΣΣΕΥΣ ΣΑΣ писатель كاتب לונדון กรุงเทพ हिन्दी 작가 true False valid No yes (A) (B) 1974 3.14 1,000 ½").split()
ABBREVIATIONS = "U.S. U.S.A. Dr. Mr. Mrs. e.g. i.e. etc. a.m. p.m. Ph.D. St. vs. No. J.K. Inc. a.k.a. 's n't I'm don't".split()
URLS = ["https://example.org/a/the?an=1#a", "http://a.b.c/", "www.the-a.com", "a@b.org", "ftp://x/~y", "file:///a%20b"]
CJK = ["北京", "文学", "東京タワー", "。", "，", "「作家」", "스티븐", "ＡＢＣ", "１２３", "・"]
EMOJI = ["😀", "👩‍👩‍👧", "🇫🇷", "❤️", "1️⃣", "👍🏽", "©", "™"]
QUOTES = ['"a"', "'the'", "“an”", "‘a’", "«the»", "``x''", "„b“", "’s", "''", '"', "…"]


def prose(rng):
    """Words, articles and punctuation, as answers look."""
    parts = []
    for _ in range(rng.randint(1, 20)):
        parts.append(rng.choice(rng.choice([WORDS, WORDS, ARTICLES, ABBREVIATIONS])) +
                     rng.choice(["", "", "", ",", ".", "!", ";", "?"]))
    return rng.choice([" ", " ", "  ", "\n"]).join(parts)


def mixture(rng):
    """Pieces of every kind, with and without spaces between them."""
    kinds = [WORDS, ARTICLES, ABBREVIATIONS, URLS, CJK, EMOJI, QUOTES, CASED, EDGES, SPACES]
    return "".join(rng.choice(rng.choice(kinds)) + rng.choice(["", " ", rng.choice(SPACES)])
                   for _ in range(rng.randint(1, 25)))


def code_points(rng):
    """Any assigned characters, with articles and spaces among them."""
    return "".join(rng.choice([rng.choice(ASSIGNED), rng.choice(ASSIGNED[:0x300]), rng.choice(ARTICLES[:6]),
                               rng.choice(SPACES)]) for _ in range(rng.randint(1, 40)))


def casing(rng):
    """Letters whose lower case depends on what stands around them."""
    return "".join(rng.choice([rng.choice(CASED), rng.choice(CASED), rng.choice(EDGES), "Σ", "a", " ", "."])
                   for _ in range(rng.randint(1, 15)))


def article_edges(rng):
    """Articles with something at their edges."""
    return "".join(rng.choice(["a", "an", "the", "A", "AN", "The"]) + rng.choice(EDGES + SPACES + QUOTES[:3])
                   for _ in range(rng.randint(1, 8)))


def nothing(rng):
    """White space and punctuation, or nothing at all."""
    return "".join(rng.choice(SPACES + list("..,'\"_-") + ["a ", "the "]) for _ in range(rng.randint(0, 6)))


def repeated(rng):
    """A looping model."""
    unit = rng.choice([prose, mixture, nothing])(rng)[:rng.randint(1, 40)]
    return rng.choice([" ", ". ", "\n", ""]).join([unit] * rng.randint(2, 30))


def long_text(rng):
    """Thousands of words."""
    return " ".join(rng.choice(rng.choice([WORDS, ARTICLES, ABBREVIATIONS, CJK, EMOJI, QUOTES]))
                    for _ in range(rng.randint(1000, 5000)))


KINDS = {"prose": prose, "mixture": mixture, "code_points": code_points, "casing": casing,
         "article_edges": article_edges, "nothing": nothing, "repeated": repeated}


def text(rng):
    """One text of a random kind, long ones left out."""
    return rng.choice(list(KINDS.values()))(rng)


def mutated(rng, original):
    """`original` with case changed, or parts dropped, doubled, moved or replaced."""
    if rng.random() < 0.2:
        return rng.choice([str.lower, str.upper, str.title, str.swapcase])(original)
    parts = original.split(" ") if rng.random() < 0.7 else list(original)
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
            parts[at] = rng.choice([".", "", " ", "\u00a0", "the", "x"])
    return (" " if len(parts) < len(original) else "").join(parts)
