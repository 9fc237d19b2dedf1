#include "benchmark/metrics/word_rules.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "benchmark/metrics/python_text.h"

// Each rule is one regular expression of NLTK's list with its replacement, in NLTK's order: later
// rules see what earlier ones wrote. A rule looks at a position of the text; where it matches, it
// writes the replacement and returns how many characters it consumed, which is never 0.

namespace rwku::metrics {
namespace {

using ::rwku::metrics::python::IsDecimal;
using ::rwku::metrics::python::IsSpace;
using ::rwku::metrics::python::IsWord;

using Text = std::u32string_view;
constexpr size_t kNoMatch = 0;

bool IsOneOf(char32_t c, Text characters) { return characters.find(c) != Text::npos; }

bool HoldsOneOf(Text text, size_t at, Text characters) {
  return at < text.size() && IsOneOf(text[at], characters);
}

bool HoldsWord(Text text, size_t at) { return at < text.size() && IsWord(text[at]); }

bool Continues(Text text, size_t at, Text with) { return text.substr(at, with.size()) == with; }

// The text with every match of `rule` replaced, from left to right and without overlap.
template <typename Rule>
void Rewrite(std::u32string& text, Rule rule) {
  std::u32string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) {
    const size_t consumed = rule(Text(text), at, out);
    if (consumed == kNoMatch) {
      out.push_back(text[at]);
    }
    at += consumed == kNoMatch ? 1 : consumed;
  }
  text.swap(out);
}

void WritePadded(Text token, std::u32string& out) {
  out.push_back(U' ');
  out.append(token);
  out.push_back(U' ');
}

// Spaces around each of `characters`.
void Pad(std::u32string& text, Text characters) {
  Rewrite(text, [&](Text from, size_t at, std::u32string& out) {
    if (!IsOneOf(from[at], characters)) {
      return kNoMatch;
    }
    WritePadded(from.substr(at, 1), out);
    return size_t{1};
  });
}

// `to` between spaces for each `from`.
void PadAs(std::u32string& text, Text from, Text to) {
  Rewrite(text, [&](Text in, size_t at, std::u32string& out) {
    if (!Continues(in, at, from)) {
      return kNoMatch;
    }
    WritePadded(to, out);
    return from.size();
  });
}

// Length of the run of `c` that starts at `at`.
size_t RunLength(Text text, size_t at, char32_t c) {
  return std::min(text.find_first_not_of(c, at), text.size()) - at;
}

void PadEllipses(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    if (!Continues(from, at, U"..")) {
      return kNoMatch;
    }
    const size_t length = RunLength(from, at, U'.');
    WritePadded(from.substr(at, length), out);
    return length;
  });
}

void PadOpeningQuotes(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    if (IsOneOf(from[at], U"«“‘„")) {
      WritePadded(from.substr(at, 1), out);
      return size_t{1};
    }
    if (from[at] != U'`') {
      return kNoMatch;
    }
    const size_t length = RunLength(from, at, U'`');
    WritePadded(from.substr(at, length), out);
    return length;
  });
}

// A double quote behind a space or an opening bracket opens a quotation.
void MarkOpeningDoubleQuotes(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    if (!IsOneOf(from[at], U" ([{<")) {
      return kNoMatch;
    }
    const size_t quote = Continues(from, at + 1, U"\"")   ? 1
                         : Continues(from, at + 1, U"''") ? 2
                                                          : 0;
    if (quote == 0) {
      return kNoMatch;
    }
    out.push_back(from[at]);
    WritePadded(U"``", out);
    return 1 + quote;
  });
}

// 'x' becomes ' x': an apostrophe before a word of one letter, unless that is a clitic's.
void SplitQuotedLetters(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    // U+017F, the long s, is an s where case is ignored.
    if (from[at] != U'\'' || !HoldsWord(from, at + 1) || HoldsWord(from, at + 2) ||
        IsOneOf(from[at + 1], U"mMtTsSdDnN\u017F")) {
      return kNoMatch;
    }
    out.append({U'\'', U' ', from[at + 1]});
    return size_t{2};
  });
}

// The last period of the text, if only `closers` and then white space follow it: it ends the
// sentence. npos where there is none, and for the last of several periods.
size_t FinalPeriod(Text text, Text closers, size_t& closers_end) {
  const size_t period = text.rfind(U'.');
  if (period == Text::npos || period == 0 || text[period - 1] == U'.') {
    return Text::npos;
  }
  closers_end = period + 1;
  while (HoldsOneOf(text, closers_end, closers)) {
    ++closers_end;
  }
  size_t end = closers_end;
  while (end < text.size() && IsSpace(text[end])) {
    ++end;
  }
  return end == text.size() ? period : Text::npos;
}

void SplitFinalPeriod(std::u32string& text, Text closers, Text between) {
  size_t closers_end = 0;
  const size_t period = FinalPeriod(text, closers, closers_end);
  if (period == Text::npos) {
    return;
  }
  std::u32string tail = U" .";
  tail.append(between).append(text, period + 1, closers_end - period - 1).append(U" ");
  text.replace(period, Text::npos, tail);
}

// Spaces around colons and commas, but not within numbers. The character behind one goes with it:
// of two commas, only the first is seen.
void PadColonsAndCommas(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    if (!IsOneOf(from[at], U":,") || at + 1 == from.size() || IsDecimal(from[at + 1])) {
      return kNoMatch;
    }
    WritePadded(from.substr(at, 1), out);
    out.push_back(from[at + 1]);
    return size_t{2};
  });
}

void PadFinalColonOrComma(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    const bool is_last = at + 1 == from.size() || (at + 2 == from.size() && from[at + 1] == U'\n');
    if (!is_last || !IsOneOf(from[at], U":,")) {
      return kNoMatch;
    }
    WritePadded(from.substr(at, 1), out);
    return size_t{1};
  });
}

void SplitApostrophesBeforeSpaces(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    if (from[at] == U'\'' || !Continues(from, at + 1, U"' ")) {
      return kNoMatch;
    }
    out.push_back(from[at]);
    WritePadded(U"'", out);
    return size_t{3};
  });
}

void JoinSpaces(std::u32string& text) {
  Rewrite(text, [](Text from, size_t at, std::u32string& out) {
    size_t end = at;
    while (end < from.size() && IsSpace(from[end])) {
      ++end;
    }
    if (end > at) {
      out.push_back(U' ');
    }
    return end - at;
  });
}

// "'s " and the like, or 0.
size_t ShortCliticLength(Text text, size_t at) {
  if (!Continues(text, at, U"'")) {
    return 0;
  }
  const size_t length = HoldsOneOf(text, at + 1, U"sSmMdD") ? 2 : 1;
  return Continues(text, at + length, U" ") ? length : 0;
}

size_t LongCliticLength(Text text, size_t at) {
  for (const Text clitic :
       {U"'ll ", U"'LL ", U"'re ", U"'RE ", U"'ve ", U"'VE ", U"n't ", U"N'T "}) {
    if (Continues(text, at, clitic)) {
      return clitic.size() - 1;
    }
  }
  return 0;
}

// A space before a clitic that ends a word of at least one other character.
template <typename CliticLength>
void SplitClitics(std::u32string& text, CliticLength clitic_length) {
  Rewrite(text, [&](Text from, size_t at, std::u32string& out) {
    const size_t length = IsOneOf(from[at], U"' ") ? 0 : clitic_length(from, at + 1);
    if (length == 0) {
      return kNoMatch;
    }
    out.push_back(from[at]);
    WritePadded(from.substr(at + 1, length), out);
    return 1 + length + 1;
  });
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
  Rewrite(text, [&](Text from, size_t at, std::u32string& out) {
    const size_t second = at + contraction.first.size();
    const size_t end = second + contraction.second.size();
    if (!ContinuesInAnyCase(from, at, contraction.first) ||
        !ContinuesInAnyCase(from, second, contraction.second)) {
      return kNoMatch;
    }
    const bool starts = takes_space || at == 0 || !IsWord(from[at - 1]);
    const bool ends = contraction.after == Contraction::After::kSpace
                          ? end < from.size() && IsSpace(from[end])
                          : !HoldsWord(from, end);
    if (!starts || !ends) {
      return kNoMatch;
    }
    const size_t first = at + (takes_space ? 1 : 0);
    WritePadded(from.substr(first, second - first), out);
    out.append(from.substr(second, end - second)).push_back(U' ');
    return end - at;
  });
}

}  // namespace

std::vector<std::string> SentenceWords(std::u32string_view sentence) {
  std::u32string text(sentence);
  PadOpeningQuotes(text);
  if (Continues(text, 0, U"\"")) {
    text.replace(0, 1, U"``");
  }
  PadAs(text, U"``", U"``");
  MarkOpeningDoubleQuotes(text);
  SplitQuotedLetters(text);

  SplitFinalPeriod(text, U"])}>\"'»”’ ", U" ");
  PadColonsAndCommas(text);
  PadFinalColonOrComma(text);
  PadEllipses(text);
  Pad(text, U";@#$%&");
  SplitFinalPeriod(text, U"])}>\"'", U"");
  Pad(text, U"?!");
  SplitApostrophesBeforeSpaces(text);
  Pad(text, U"*");
  Pad(text, U"][(){}<>");
  PadAs(text, U"--", U"--");

  text.insert(text.begin(), U' ');
  text.push_back(U' ');
  Pad(text, U"»”’");
  PadAs(text, U"''", U"''");
  PadAs(text, U"\"", U"''");
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
      words.push_back(python::Encode(Text(text).substr(at, end - at)));
    }
    at = end + 1;
  }
  return words;
}

}  // namespace rwku::metrics
