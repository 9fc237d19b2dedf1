#include "benchmark/metrics/word_rules.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "benchmark/metrics/python_text.h"
#include "benchmark/metrics/unicode.h"

// Each rule is one regular expression of NLTK's list with its replacement, in NLTK's order: later
// rules see what earlier ones wrote.

namespace rwku::metrics {
namespace {

using ::rwku::metrics::python::IsDecimal;
using ::rwku::metrics::python::IsSpace;
using ::rwku::metrics::python::IsWord;

using Text = std::u32string_view;

bool IsOneOf(char32_t c, Text characters) { return characters.find(c) != Text::npos; }

bool HoldsOneOf(Text text, size_t at, Text characters) {
  return at < text.size() && IsOneOf(text[at], characters);
}

bool HoldsWord(Text text, size_t at) { return at < text.size() && IsWord(text[at]); }

bool Continues(Text text, size_t at, Text with) { return text.substr(at, with.size()) == with; }

// Replaces every match in `text`, from left to right and without overlap. `match_length` of a
// position is 0 where nothing matches; `write` is given the match and appends what replaces it.
template <typename MatchLength, typename Write>
void Rewrite(std::u32string& text, MatchLength match_length, Write write) {
  std::u32string out;
  size_t copied = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = match_length(Text(text), at);
    if (length == 0) {
      ++at;
      continue;
    }
    out.append(text, copied, at - copied);
    write(Text(text).substr(at, length), out);
    at += length;
    copied = at;
  }
  if (copied > 0) {
    out.append(text, copied);
    text.swap(out);
  }
}

void WritePadded(Text token, std::u32string& out) {
  out.push_back(U' ');
  out.append(token);
  out.push_back(U' ');
}

// Spaces around every match.
template <typename MatchLength>
void Pad(std::u32string& text, MatchLength match_length) {
  Rewrite(text, match_length, WritePadded);
}

void PadCharacters(std::u32string& text, Text characters) {
  Pad(text, [&](Text from, size_t at) -> size_t { return IsOneOf(from[at], characters) ? 1 : 0; });
}

void PadToken(std::u32string& text, Text token) {
  Pad(text, [&](Text from, size_t at) { return Continues(from, at, token) ? token.size() : 0; });
}

// Length of the run of `c` that starts at `at`.
size_t RunLength(Text text, size_t at, char32_t c) {
  size_t end = at;
  while (end < text.size() && text[end] == c) {
    ++end;
  }
  return end - at;
}

void PadEllipses(std::u32string& text) {
  Pad(text, [](Text from, size_t at) {
    const size_t length = RunLength(from, at, U'.');
    return length < 2 ? 0 : length;
  });
}

void PadOpeningQuotes(std::u32string& text) {
  Pad(text, [](Text from, size_t at) {
    return IsOneOf(from[at], U"«“‘„") ? 1 : RunLength(from, at, U'`');
  });
}

void MarkDoubleQuoteAtStart(std::u32string& text) {
  if (Continues(text, 0, U"\"")) {
    text.replace(0, 1, U"``");
  }
}

// A double quote behind a space or an opening bracket opens a quotation.
void MarkOpeningDoubleQuotes(std::u32string& text) {
  Rewrite(
      text,
      [](Text from, size_t at) -> size_t {
        return !IsOneOf(from[at], U" ([{<")     ? 0
               : Continues(from, at + 1, U"\"") ? 2
               : Continues(from, at + 1, U"''") ? 3
                                                : 0;
      },
      [](Text match, std::u32string& out) {
        out.push_back(match.front());
        WritePadded(U"``", out);
      });
}

void MarkClosingDoubleQuotes(std::u32string& text) {
  Rewrite(
      text, [](Text from, size_t at) -> size_t { return from[at] == U'"' ? 1 : 0; },
      [](Text, std::u32string& out) { WritePadded(U"''", out); });
}

// 'x' becomes ' x': an apostrophe before a word of one letter, unless that is a clitic's.
void SplitQuotedLetters(std::u32string& text) {
  Rewrite(
      text,
      [](Text from, size_t at) -> size_t {
        // U+017F, the long s, is an s where case is ignored.
        return from[at] == U'\'' && HoldsWord(from, at + 1) && !HoldsWord(from, at + 2) &&
                       !IsOneOf(from[at + 1], U"mMtTsSdDnN\u017F")
                   ? 2
                   : 0;
      },
      [](Text match, std::u32string& out) {
        out.append({U'\'', U' ', match.back()});
      });
}

// Spaces around the last period of the text, if only closing marks and then white space follow it:
// it ends the sentence. The last of several periods does not. NLTK has a second such rule, which
// only adds white space to what this one wrote.
void SplitFinalPeriod(std::u32string& text) {
  const size_t period = text.rfind(U'.');
  if (period == Text::npos || period == 0 || text[period - 1] == U'.') {
    return;
  }
  size_t closers_end = period + 1;
  while (HoldsOneOf(text, closers_end, U"])}>\"'»”’ ")) {
    ++closers_end;
  }
  size_t end = closers_end;
  while (end < text.size() && IsSpace(text[end])) {
    ++end;
  }
  if (end == text.size()) {
    text.resize(closers_end);
    text.push_back(U' ');
    text.replace(period, 1, U" . ");
  }
}

// Spaces around colons and commas, but not within numbers. The character behind one goes with it:
// of two commas, only the first is seen.
void PadColonsAndCommas(std::u32string& text) {
  Rewrite(
      text,
      [](Text from, size_t at) -> size_t {
        return IsOneOf(from[at], U":,") && at + 1 < from.size() && !IsDecimal(from[at + 1]) ? 2 : 0;
      },
      [](Text match, std::u32string& out) {
        WritePadded(match.substr(0, 1), out);
        out.push_back(match.back());
      });
}

void PadFinalColonOrComma(std::u32string& text) {
  if (!text.empty() && IsOneOf(text.back(), U":,")) {
    text.insert(text.size() - 1, 1, U' ');
  }
}

// `match` is a character, a token and a space.
void WriteTokenApart(Text match, std::u32string& out) {
  out.push_back(match.front());
  WritePadded(match.substr(1, match.size() - 2), out);
}

void SplitApostrophesBeforeSpaces(std::u32string& text) {
  Rewrite(
      text,
      [](Text from, size_t at) -> size_t {
        return from[at] != U'\'' && Continues(from, at + 1, U"' ") ? 3 : 0;
      },
      WriteTokenApart);
}

void JoinSpaces(std::u32string& text) {
  Rewrite(
      text,
      [](Text from, size_t at) {
        size_t end = at;
        while (end < from.size() && IsSpace(from[end])) {
          ++end;
        }
        const bool is_joined = end == at + 1 && from[at] == U' ';
        return is_joined ? 0 : end - at;
      },
      [](Text, std::u32string& out) { out.push_back(U' '); });
}

// Length of an apostrophe, alone or with one letter, and a space; 0 where there is none.
size_t ShortCliticLength(Text text, size_t at) {
  if (!Continues(text, at, U"'")) {
    return 0;
  }
  const size_t length = HoldsOneOf(text, at + 1, U"sSmMdD") ? 3 : 2;
  return Continues(text, at + length - 1, U" ") ? length : 0;
}

size_t LongCliticLength(Text text, size_t at) {
  for (const Text clitic :
       {U"'ll ", U"'LL ", U"'re ", U"'RE ", U"'ve ", U"'VE ", U"n't ", U"N'T "}) {
    if (Continues(text, at, clitic)) {
      return clitic.size();
    }
  }
  return 0;
}

// A space before a clitic that ends a word of at least one other character.
template <typename CliticLength>
void SplitClitics(std::u32string& text, CliticLength clitic_length) {
  Rewrite(
      text,
      [&](Text from, size_t at) -> size_t {
        const size_t length = IsOneOf(from[at], U"' ") ? 0 : clitic_length(from, at + 1);
        return length == 0 ? 0 : 1 + length;
      },
      WriteTokenApart);
}

// Whether `text` continues with `lower`, lower-case ASCII, case ignored as re does.
bool ContinuesInAnyCase(Text text, size_t at, Text lower) {
  if (text.size() - at < lower.size()) {
    return false;
  }
  for (size_t i = 0; i < lower.size(); ++i) {
    const char32_t c = text[at + i];
    const char32_t folded = c >= U'A' && c <= U'Z'     ? c - U'A' + U'a'
                            : c == 0x130 || c == 0x131 ? U'i'
                            : c == 0x17F               ? U's'
                                                       : c;
    if (folded != lower[i]) {
      return false;
    }
  }
  return true;
}

// A word that is written as one and counts as two.
struct Contraction {
  Text first;
  Text second;
  enum class After { kNoWordCharacter, kSpace } after = After::kNoWordCharacter;
};

constexpr std::array<Contraction, 8> kContractions = {{
    {U"can", U"not"},
    {U"d", U"'ye"},
    {U"gim", U"me"},
    {U"gon", U"na"},
    {U"got", U"ta"},
    {U"lem", U"me"},
    {U"more", U"'n"},
    {U"wan", U"na", Contraction::After::kSpace},
}};
// Only behind a space, which goes with them.
constexpr std::array<Contraction, 2> kContractionsAfterSpace = {
    {{U" 't", U"is"}, {U" 't", U"was"}}};

void SplitContraction(std::u32string& text, const Contraction& contraction) {
  const bool takes_space = contraction.first.front() == U' ';
  const size_t length = contraction.first.size() + contraction.second.size();
  Rewrite(
      text,
      [&](Text from, size_t at) -> size_t {
        const size_t end = at + length;
        const bool matches =
            ContinuesInAnyCase(from, at, contraction.first) &&
            ContinuesInAnyCase(from, at + contraction.first.size(), contraction.second);
        if (!matches || !(takes_space || at == 0 || !IsWord(from[at - 1]))) {
          return 0;
        }
        const bool ends = contraction.after == Contraction::After::kSpace
                              ? end < from.size() && IsSpace(from[end])
                              : !HoldsWord(from, end);
        return ends ? length : 0;
      },
      [&](Text match, std::u32string& out) {
        const Text first = match.substr(0, contraction.first.size());
        WritePadded(first.substr(takes_space ? 1 : 0), out);
        out.append(match.substr(first.size())).push_back(U' ');
      });
}

}  // namespace

std::vector<std::string> SentenceWords(std::u32string_view sentence) {
  std::u32string text(sentence);
  PadOpeningQuotes(text);
  MarkDoubleQuoteAtStart(text);
  PadToken(text, U"``");
  MarkOpeningDoubleQuotes(text);
  SplitQuotedLetters(text);

  SplitFinalPeriod(text);
  PadColonsAndCommas(text);
  PadFinalColonOrComma(text);
  PadEllipses(text);
  PadCharacters(text, U";@#$%&");
  PadCharacters(text, U"?!");
  SplitApostrophesBeforeSpaces(text);
  PadCharacters(text, U"*");
  PadCharacters(text, U"][(){}<>");
  PadToken(text, U"--");

  text.insert(text.begin(), U' ');
  text.push_back(U' ');
  PadCharacters(text, U"»”’");
  PadToken(text, U"''");
  MarkClosingDoubleQuotes(text);
  JoinSpaces(text);
  SplitClitics(text, ShortCliticLength);
  SplitClitics(text, LongCliticLength);
  for (const Contraction& contraction : kContractions) {
    SplitContraction(text, contraction);
  }
  for (const Contraction& contraction : kContractionsAfterSpace) {
    SplitContraction(text, contraction);
  }

  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && !IsSpace(text[end])) {
      ++end;
    }
    if (end > at) {
      words.push_back(EncodeUtf8(Text(text).substr(at, end - at)));
    }
    at = end + 1;
  }
  return words;
}

}  // namespace rwku::metrics
