"""Writes texts with the tokens of nltk.word_tokenize, and how Python classifies characters.

    python words_oracle.py OUT.json [--texts 12000] [--seed 20240930]

OUT.json is {"texts": [{"kind", "text", "tokens", "sentences": [[begin, end], ...]}], "characters": {class: [[first, last], ...]},
"lower": [[text, text.lower()], ...]}. Punkt's parameters are those of $RWKU_SHARED/data/nltk_data;
without them the program says so and exits with 77. The real texts of $RWKU_SHARED/data/rwku come
first, where they are.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import sys
import unicodedata

import nltk

ABBREVIATIONS = ("Mr. Mrs. Dr. Prof. St. Jr. Sr. Inc. Ltd. Co. Corp. vs. etc. e.g. i.e. a.m. p.m. U.S. U.K. U.N. Ph.D. "
                 "B.A. No. Fig. vol. pp. Jan. Sept. Gov. Sen. Rev. Gen. cf. al. approx. m.j. N.Y. D.C. Vt. Me. "
                 "ex-Gov. self-Inc. J.R.R. E.U. Nev. Cos. L.A. C.E.O.").split()
INITIALS = "S. E. J. K. A. É. Ж. Σ. ß. 文. ա. _. 1. ª. ʰ.".split()
NAMES = ("Stephen King Carrie Shining Maine Portland Bachman Tabitha Owen Joe Hill Derry Castle Rock Bach Magnin "
         "Stewart Smith Levine Édouard Łódź İstanbul ΟΔΥΣΣΕΥΣ Zürich").split()
WORDS = ("the of and he she it born in wrote novels many however this while I we you they but so since even under "
         "according sales meanwhile author horror fiction town book film said first new coverage international "
         "review business who letters one-time well-known 1947 wrote ﬁne naïve read").split()
CONTRACTIONS = ("don't can't won't I'm I've he'd she'll it's we're they've isn't DON'T IT'S I'LL WE'VE N'T 'tis 'Tis 'twas "
                "'TWAS 't cannot Cannot CANNOT gimme Gimme gonna GONNA gotta lemme d'ye more'n wanna Wanna whaddya "
                "wannabe cannots rock'n'roll o'clock 'em 'til '90s King's Kings' James's 's 'S x's ain't y'all "
                "l'été g\u0131mme lemme' 't\u0131s 'ti\u017f g\u0130mme 'wa\u017f ma'am 'a' 's' 'm 're 'x 'é' 'ſ' n't' "
                "gonnato igonna can not would've shouldn't've don`t don’t it’s ’tis").split()
NUMBERS = ("1 12 1,000 3.14 $5 $3.88 €10 50% 1,234,567.89 10:30 2:1 1947-2024 #1 No.5 -5. .5 -.5 ,5 1. 2.5. 1,2,3. "
           "5-4. ½ ² ٣ ٣. ٣٤. १२. 1e-5 0x1F 7th 1980s '80s 50,000. III. 3.14.15 1, 12:").split()
URLS = ("http://a.b/c?d=e&f=g https://www.stephenking.com/works/novel/it.html#top www.example.com. mailto:a@b.co "
        "john.doe@example.com, user+tag@mail.example.org. C:\\dir\\file.txt /usr/local/bin ftp://x.y:21/ @user #tag "
        "(https://a.b/c_(d)) <https://a.b> 192.168.0.1:8080").split()
FOREIGN = ("日本語 中文字符。 東京は、 한국어 русский писатель. العربية، עברית ქართული हिन्दी ไทย 😀 👩‍👩‍👧 🇫🇷 👍🏽. e\u0301 n\u0303 "
           "Å \u0301x x\u0308. 「はい」 『本』 。 ！ ？ ؟ ¿Qué? ¡Sí! «oui» „ja“ ‚x‘ ‹y› ﬂ Ǆ ǅ ǆ Ⅳ Ⅳ. ⅳ. ①. 𝐀. 𝒜 𝟛. ÇA. ΣΑΣ. ΑΣ'Σ. "
           "Ⓐ. ʼn 𐐀. 𐐨 ꟲ. 🅰. ⓐ").split()
MARKS = ". . . . , , ; : ! ? !! ?! !!! ... .... .. . . . . . .) .\" .' .'' ?\" !) ,\" -- --- - — – … ‥ ) ] } .] .} .)) :) ;-) " \
        "& * ** / \\ | @ # $ % ^ ~ ` `` ''' '' ' \" _ + = < > .< ... . .. .-- ?-- .\")-- .')".split(" ")
QUOTES = [("\"", "\""), ("“", "”"), ("‘", "’"), ("'", "'"), ("``", "''"), ("''", "''"), ("«", "»"), ("„", "“"),
          ("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ("`", "`"), ("```", "```"), ("*", "*"), ("**", "**"),
          ("(\"", "\")"), ("'\"", "\"'"), ("(''", "'')"), ("\"'", "'\"")]
SPACES = [" "] * 40 + ["  ", "\n", "\n\n", " \n ", "\r\n", "\t", "   "]
ODD_SPACES = list("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
                  "\u200b\u200c\u200d\u2060\ufeff\u180e\u00ad")
MARKDOWN = ["# Title\n\n", "## 1. Plot\n", "- item\n", "* **bold**: text\n", "1. First\n2. Second\n", "> quote\n",
            "```python\nprint(\"x's\", a[0], {'k': v})\n```\n", "`code`", "| a | b |\n|---|---|\n", "[link](http://a.b/c)",
            "![img](x.png \"t\")", "if (a && b) { return c->d; } // no\n", "def f(x: int = 5) -> str:\n    return f'{x!r}'\n",
            "#include <vector>\n", "SELECT * FROM t WHERE a='b';\n", "\\frac{a}{b}$x^2$", "<p class=\"x\">it's</p>", "---\n",
            "***\n", "a.b.c(d)[e]...f", "x = y if z else -1;", "{\"key\": [1, 2.5, \"v\"]}", "...\n...", "<br/>", "&amp;"]
SIGMAS = list("ΣΣΣσςΑα'.:·\u0301\u00ad\u02b0\u0345 -1aA\u2019^`\u200d\ua7f2\u1abf\U0001d7a4İ\U00010400ẞ") + ["\u0130", "\u01c5"]


def phrase(rng, count):
    pools = [(WORDS, 50), (NAMES, 18), (ABBREVIATIONS, 8), (INITIALS, 5), (CONTRACTIONS, 9), (NUMBERS, 6), (URLS, 2), (FOREIGN, 3)]
    pool, weights = zip(*pools)
    return [rng.choice(rng.choices(pool, weights)[0]) for _ in range(count)]


def quoted(rng, words):
    opening, closing = rng.choice(QUOTES)
    begin = rng.randrange(len(words))
    end = rng.randrange(begin, len(words))
    words[begin] = opening + words[begin]
    words[end] += rng.choice(["", "", ".", ",", "!"]) + closing + rng.choice(["", "", ".", "?", ",", ";", "--"])


def sentence(rng):
    words = phrase(rng, rng.randint(1, 18))
    if rng.random() < 0.8:
        words[0] = words[0][:1].upper() + words[0][1:]
    for i, word in enumerate(words):
        if rng.random() < 0.08:
            words[i] = word + rng.choice([",", ",", ";", ":", "...", " --", "--", " -", "—", "…", "'"])
    if rng.random() < 0.3:
        quoted(rng, words)
    return " ".join(words) + rng.choice([".", ".", ".", ".", "!", "?", "?!", "...", ".\"", ".)", ".''", ".”", ". . .", "", ":"])


def prose(rng):
    """Sentences as a model writes them."""
    return "".join(sentence(rng) + rng.choice(SPACES) for _ in range(rng.randint(1, 8)))


def mixture(rng):
    """Words and marks in any order, with or without spaces."""
    pools = [WORDS, NAMES, ABBREVIATIONS, INITIALS, CONTRACTIONS, NUMBERS, URLS, FOREIGN, MARKS, MARKS, MARKS]
    space = rng.random()
    return "".join(rng.choice(rng.choice(pools)) + (rng.choice(SPACES) if rng.random() < space else "")
                   for _ in range(rng.randint(1, 40)))


def stored(rng):
    return rng.choice(rng.choice(STORED))


def boundary(rng):
    """What decides whether a sentence ends: two words and what is between."""
    before = rng.choice(ABBREVIATIONS + INITIALS + NUMBERS + NAMES + WORDS + ["...", "..", ". . ."])
    after = rng.choice(WORDS + NAMES + FOREIGN + MARKS + NUMBERS + INITIALS) if rng.random() < 0.4 else stored(rng)
    if rng.random() < 0.4:
        after = rng.choice([after.capitalize(), after.upper(), after.lower()])
    if rng.random() < 0.3:
        before = stored(rng) + "."
    return "".join([rng.choice(["", "", "He saw ", "(", "\"", "'", "x-", "a.", "! "]), rng.choice([before, before.upper(), before.capitalize()]),
                    rng.choice(["", "", "", ".", "!", "?", ".\"", ".)", "!'", ",", "."]), rng.choice(SPACES + ["\n", "", "--", "\xa0"]),
                    rng.choice(["", "", "", "\"", "'", "(", "``", ") ", "' ", "-"]), after, rng.choice([".", " went.", "", " ", "\n"])])


def marks(rng):
    """Repeated punctuation."""
    alphabet = rng.choice(["'\" ", ".' s", ". ", ".? ", "'`\"", ".,:; 1", "-. a", "()[]{}<>\"' ", "'sStTnN ", "\"“”‘’«»„ '.", ".)\n ", "*?!@#$%& ",
                           ".\t ,", "'t is was", ". .\x1d", ":,1a\n", "\"')]}.-! \n", "-'n't'll'LL're'VE ", "\x85.\xa0?a", ".\xa0", ".\xa0\u3000", ".\xa0a ", "CcAaNnOoTtſıİ'", "').--\" a", "' a"])
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 60)))


def snippets(rng):
    return "".join(rng.choice(MARKDOWN) if rng.random() < 0.6 else sentence(rng) + "\n" for _ in range(rng.randint(1, 8)))


def odd_spaces(rng):
    return "".join(rng.choice(WORDS + NAMES + ABBREVIATIONS + CONTRACTIONS + MARKS) + rng.choice(ODD_SPACES + [" ", "", ". ", "."])
                   for _ in range(rng.randint(1, 25)))


def code_points(rng):
    """Characters of every script, with marks and spaces among them."""
    text = []
    for _ in range(rng.randint(1, 60)):
        choice = rng.random()
        if choice < 0.15:
            text.append(rng.choice(SPACES + ODD_SPACES))
        elif choice < 0.4:
            text.append(rng.choice(".'\",:!?-)]`("))
        else:
            text.append(chr(rng.choice(rng.choice(ASSIGNED))))
    return "".join(text)


def repeated(rng):
    """A looping model."""
    unit = rng.choice([sentence(rng), rng.choice(CONTRACTIONS + ABBREVIATIONS + NAMES + MARKS), " ".join(phrase(rng, 3))])
    return rng.choice([" ", "", ". ", "\n"]).join([unit] * rng.randint(2, 60))


def spoiled(rng):
    """Prose with characters dropped, doubled, moved or replaced."""
    text = list(prose(rng))
    for _ in range(rng.randint(1, 30)):
        at = rng.randrange(len(text)) if text else 0
        action = rng.randrange(4)
        if not text or action == 0:
            text.insert(at, rng.choice(".'\" ,-)`\n"))
        elif action == 1:
            del text[at]
        elif action == 2:
            text.insert(rng.randrange(len(text)), text.pop(at))
        else:
            text[at] = rng.choice(".'\" ,-)`s")
    return "".join(text)


KINDS = {"prose": (prose, 22), "mixture": (mixture, 18), "boundary": (boundary, 24), "marks": (marks, 10), "snippets": (snippets, 5),
         "odd_spaces": (odd_spaces, 6), "code_points": (code_points, 5), "repeated": (repeated, 3), "spoiled": (spoiled, 7)}
LONG = 50_000
# Code points assigned in Unicode 14, by the 256 that they share; no surrogate, no private use.
ASSIGNED = [block for block in ([c for c in range(start, start + 256) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
                                for start in range(0, 0x110000, 256)) if block]
STORED = []  # words that Punkt's parameters know, in groups of one kind; filled once they are found


def long_texts(rng):
    for text in (prose, mixture, spoiled, odd_spaces, snippets):
        parts = []
        while sum(map(len, parts)) < LONG:
            parts.append(text(rng))
        yield " ".join(parts)
    for unit in ("a", ".", "a.", "a. ", "A. b ", "'", "\"", "' ", "''", "-", "--", "(", "x'", ",", ":a", ". ", "?!", "\u3000", "\n",
                 "文字。", "😀", "Mr. ", "a.)", "…", "1,", "Σ", "n't ", "cannot ", "a'b "):
        yield unit * (LONG // len(unit))
    yield "a" * LONG + "." + ")" * LONG
    yield "a. " + "b" * LONG + ". C"


def real_texts(folder):
    """Every text of the real target and of the reference's results for it."""
    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, dict)):
            for part in (value.values() if isinstance(value, dict) else value):
                yield from strings(part)

    texts = {}
    for path in sorted(folder.glob("Target/1_Stephen_King/*.json")) + sorted(folder.glob("golden/1_Stephen_King/*.json")):
        texts.update(dict.fromkeys(strings(json.loads(path.read_text(encoding="utf-8")))))
    return list(texts)


def texts(rng, count, shared):
    for text in real_texts(shared / "data" / "rwku"):
        yield "real", text
    edges = ["", " ", "\n", "\n\n", ".", "..", "...", ". . .", ". . . .", ". .", "a", "a.", "a.\n", "a,", "a,\n", ",\n", ":", "'", "''", "\"", "\"\"",
             "``", "`", "\"a", "'a", "'a'", "'s", " 's", "a's", "'tis", " 'tis", "cannot", "a. b", "A. B.", "Mr. King.", ".)", ".) ", "!!!", "!!!.",
             " a. b", "\ta. b", " . a", ". a", "a.\u00a0b.\u00a0C. d", "\u0000", "a\u0000. B", "x.\xa0.\xa0.\xa0.", "\ufeffA. B"]
    for text in edges:
        yield "edge", text
    for text in long_texts(rng):
        yield "long", text
    makers, weights = zip(*KINDS.values())
    names = dict(zip(makers, KINDS))
    for _ in range(count):
        maker = rng.choices(makers, weights)[0]
        yield names[maker], maker(rng)


def ranges(holds):
    """The code points for which `holds`, as runs from first to last; surrogates belong to none."""
    runs = []
    for point in range(0x110000):
        if 0xD800 <= point < 0xE000 or not holds(chr(point)):
            continue
        if runs and runs[-1][1] == point - 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return runs


def characters():
    return {"space": ranges(re.compile(r"\s").match), "decimal": ranges(re.compile(r"\d").match), "word": ranges(re.compile(r"\w").match),
            "letter": ranges(re.compile(r"[^\W\d]").match), "upper": ranges(str.isupper), "lower": ranges(str.islower)}


def lower_cases(rng):
    cases = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000 and chr(point).lower() != chr(point)]
    cases += ["".join(rng.choice(SIGMAS) for _ in range(rng.randint(1, 8))) for _ in range(5000)]
    return [[text, text.lower()] for text in cases]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--texts", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=20240930)
    arguments = parser.parse_args()
    shared = pathlib.Path(os.environ.get("RWKU_SHARED", ""))
    punkt = shared / "data" / "nltk_data" / "tokenizers" / "punkt_tab" / "english"
    if not punkt.is_dir():
        print(f"skipped: no Punkt parameters at {punkt} (RWKU_SHARED)")
        sys.exit(77)
    nltk.data.path[:] = [str(shared / "data" / "nltk_data")]
    for name in sorted(path.name for path in punkt.iterdir()):
        by_context = collections.defaultdict(list)
        for line in (punkt / name).read_text(encoding="utf-8").splitlines():
            word, _, context = line.partition("\t")
            by_context[context if context.isdecimal() else ""] += [word] if context.isdecimal() else line.split("\t")
        for words in by_context.values():
            STORED.append(words[:60])
    rng = random.Random(arguments.seed)
    sentences = nltk.tokenize.PunktTokenizer("english")
    records = [{"kind": kind, "text": text, "tokens": nltk.word_tokenize(text), "sentences": list(sentences.span_tokenize(text))}
               for kind, text in texts(rng, arguments.texts, shared)]
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump({"texts": records, "characters": characters(), "lower": lower_cases(rng)}, out, ensure_ascii=True)
    print(f"{len(records)} texts, {sum(len(record['tokens']) for record in records)} tokens, "
          f"{sum(len(record['sentences']) for record in records)} sentences")


if __name__ == "__main__":
    main()
