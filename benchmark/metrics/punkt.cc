#include "benchmark/metrics/punkt.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "benchmark/metrics/python_text.h"
#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

using ::rwku::metrics::python::IsDecimal;
using ::rwku::metrics::python::IsSpace;

constexpr absl::string_view kNumberType = "##number##";

bool IsOneOf(char32_t c, std::u32string_view characters) {
  return characters.find(c) != std::u32string_view::npos;
}

bool MayEndSentence(char32_t c) { return IsOneOf(c, U".?!"); }
bool NeverInsideWord(char32_t c) { return IsOneOf(c, U")\";}]*:@'({[!?"); }
bool NeverStartsWord(char32_t c) { return IsOneOf(c, U"(\"`{[:;&#*@)}]-,"); }
bool IsCloser(char32_t c) { return IsOneOf(c, U"\"')]}"); }

bool Holds(std::u32string_view text, size_t at, char32_t c) {
  return at < text.size() && text[at] == c;
}

bool HoldsSpace(std::u32string_view text, size_t at) {
  return at < text.size() && IsSpace(text[at]);
}

size_t SkipRun(std::u32string_view text, size_t at, char32_t c) {
  while (Holds(text, at, c)) {
    ++at;
  }
  return at;
}

size_t SkipSpaces(std::u32string_view text, size_t at) {
  while (HoldsSpace(text, at)) {
    ++at;
  }
  return at;
}

// A period and the white space character after it.
bool HoldsSpacedPeriod(std::u32string_view text, size_t at) {
  return Holds(text, at, U'.') && HoldsSpace(text, at + 1);
}

// Whether a dash of hyphens or an ellipsis, spaced or not, starts at `at`. Looks at five
// characters.
bool StartsDashOrEllipsis(std::u32string_view text, size_t at) {
  return (Holds(text, at, U'-') && Holds(text, at + 1, U'-')) ||
         (Holds(text, at, U'.') && Holds(text, at + 1, U'.')) ||
         (HoldsSpacedPeriod(text, at) && HoldsSpacedPeriod(text, at + 2) &&
          Holds(text, at + 4, U'.'));
}

// The end of the longest one that starts at `at`, where one does.
size_t DashOrEllipsisEnd(std::u32string_view text, size_t at) {
  if (Holds(text, at + 1, text[at])) {
    return SkipRun(text, at, text[at]);
  }
  size_t end = at + 4;
  while (HoldsSpacedPeriod(text, end) && Holds(text, end + 2, U'.')) {
    end += 2;
  }
  return end + 1;
}

bool EndsWord(std::u32string_view text, size_t at) {
  return at == text.size() || IsSpace(text[at]) || NeverInsideWord(text[at]) ||
         StartsDashOrEllipsis(text, at);
}

// Punkt's own tokens of a line, which keep the period of "Mr." and split other punctuation off.
void AppendTokens(std::u32string_view line, std::vector<std::u32string_view>& tokens) {
  size_t at = SkipSpaces(line, 0);
  while (at < line.size()) {
    size_t end = at + 1;
    if (StartsDashOrEllipsis(line, at)) {
      end = DashOrEllipsisEnd(line, at);
    } else if (!NeverStartsWord(line[at])) {
      while (!EndsWord(line, end) && !(line[end] == U',' && EndsWord(line, end + 1))) {
        ++end;
      }
    }
    tokens.push_back(line.substr(at, end - at));
    at = SkipSpaces(line, end);
  }
}

// Of a number's signs, only a period can start a word.
bool IsNumber(std::u32string_view word) {
  size_t at = Holds(word, 0, U'.') ? 1 : 0;
  if (at == word.size() || !IsDecimal(word[at])) {
    return false;
  }
  while (at < word.size() && (IsDecimal(word[at]) || IsOneOf(word[at], U",.-"))) {
    ++at;
  }
  return at == word.size();
}

// The type of a word, by which the parameters know it.
std::string Type(std::u32string_view word) {
  return IsNumber(word) ? std::string(kNumberType) : EncodeUtf8(python::Lower(word));
}

std::string TypeWithoutPeriod(std::u32string_view word) {
  std::string type = Type(word);
  if (type.size() > 1 && type.back() == '.') {
    type.pop_back();
  }
  return type;
}

// A mark at which a sentence may end, with what the decision looks at.
struct Candidate {
  size_t mark = 0;
  size_t context_begin = 0;  // of the word before the mark
  size_t context_end = 0;    // of the token after it
  size_t next_sentence = 0;
};

// The candidate whose mark is at `at`, without its beginning.
std::optional<Candidate> CandidateAt(std::u32string_view text, size_t at) {
  const size_t after = at + 1;
  if (!MayEndSentence(text[at]) || after == text.size()) {
    return std::nullopt;
  }
  Candidate candidate;
  candidate.mark = at;
  if (NeverInsideWord(text[after])) {
    candidate.next_sentence = after;
    candidate.context_end = after + 1;
    return candidate;
  }
  candidate.next_sentence = SkipSpaces(text, after);
  if (candidate.next_sentence == after || candidate.next_sentence == text.size()) {
    return std::nullopt;
  }
  candidate.context_end = candidate.next_sentence;
  while (candidate.context_end < text.size() && !IsSpace(text[candidate.context_end])) {
    ++candidate.context_end;
  }
  return candidate;
}

// The candidates of a text. Of several in one word, as in "What?!", the last stands for all. Only
// ASCII's white space divides words here, and none directly behind the mark before.
std::vector<Candidate> Candidates(std::u32string_view text) {
  std::vector<Candidate> candidates;
  size_t previous_mark = 0;
  size_t previous_begin = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    std::optional<Candidate> candidate = CandidateAt(text, at);
    if (!candidate) {
      continue;
    }
    size_t begin = at;
    while (begin > previous_mark + 1 && !IsOneOf(text[begin - 1], U" \t\n\r\v\f")) {
      --begin;
    }
    candidate->context_begin = begin > previous_mark + 1 ? begin : previous_begin;
    if (!candidates.empty() && candidate->context_begin < previous_mark) {
      candidates.pop_back();
    }
    candidates.push_back(*candidate);
    previous_mark = at;
    previous_begin = candidate->context_begin;
  }
  return candidates;
}

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// Moves quotes and brackets at the start of a sentence to the end of the one before, which they
// close: "(One.) Two." is "(One.)" and "Two.".
std::vector<std::u32string_view> WithClosersMovedBack(std::u32string_view text,
                                                      const std::vector<Span>& spans) {
  std::vector<std::u32string_view> sentences;
  size_t moved = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    const size_t begin = spans[i].begin + moved;
    size_t end = spans[i].end;
    moved = 0;
    if (i + 1 < spans.size()) {
      const std::u32string_view next =
          text.substr(spans[i + 1].begin, spans[i + 1].end - spans[i + 1].begin);
      size_t closers = 0;
      while (closers < next.size() && IsCloser(next[closers])) {
        ++closers;
      }
      const bool dash = Holds(next, closers, U'-') && Holds(next, closers + 1, U'-');
      if (closers > 0 && (closers == next.size() || IsSpace(next[closers]) || dash)) {
        end = spans[i + 1].begin + closers;
        moved = SkipSpaces(next, closers);
      }
    }
    if (begin < end) {
      sentences.push_back(text.substr(begin, end - begin));
    }
  }
  return sentences;
}

}  // namespace

struct Punkt::Token {
  std::u32string_view text;
  // By the token's type alone, before its neighbours are looked at.
  bool ends_sentence = false;
  bool is_abbreviation = false;
  bool is_ellipsis = false;
};

Punkt::Token Punkt::Classify(std::u32string_view text) const {
  Token token{text};
  if (text.size() == 1 && MayEndSentence(text.front())) {
    token.ends_sentence = true;
  } else if (text.size() > 1 && SkipRun(text, 0, U'.') == text.size()) {
    token.is_ellipsis = true;
  } else if (text.back() == U'.') {
    const std::string word = EncodeUtf8(python::Lower(text.substr(0, text.size() - 1)));
    token.is_abbreviation = parameters_.abbreviations.contains(word) ||
                            parameters_.abbreviations.contains(word.substr(word.rfind('-') + 1));
    token.ends_sentence = !token.is_abbreviation;
  }
  return token;
}

bool Punkt::EndsSentence(const Token& token, const Token& next) const {
  if (token.text.back() != U'.') {
    return token.ends_sentence;
  }
  const std::string type = TypeWithoutPeriod(token.text);
  const std::string next_type = next.ends_sentence ? TypeWithoutPeriod(next.text) : Type(next.text);
  if (parameters_.collocations.contains(absl::StrCat(type, "\t", next_type))) {
    return false;
  }

  // What the case of the next word says.
  const auto context = parameters_.orthographic_contexts.find(next_type);
  const int seen = context == parameters_.orthographic_contexts.end() ? 0 : context->second;
  const bool next_is_upper = python::IsUpper(next.text.front());
  const bool next_is_lower = python::IsLower(next.text.front());
  const bool next_is_punctuation = next.text.size() == 1 && IsOneOf(next.text.front(), U";:,.!?");
  const bool next_starts = next_is_upper && (seen & PunktParameters::kLower) != 0 &&
                           (seen & PunktParameters::kUpperInside) == 0;
  const bool next_continues =
      next_is_punctuation || (next_is_lower && ((seen & PunktParameters::kUpper) != 0 ||
                                                (seen & PunktParameters::kLowerAtBeginning) == 0));

  const bool is_initial = token.text.size() == 2 && python::IsWordButNoDecimal(token.text.front());
  if ((token.is_abbreviation || token.is_ellipsis) && !is_initial &&
      (next_starts || (next_is_upper && parameters_.sentence_starters.contains(next_type)))) {
    return true;
  }
  if (is_initial || type == kNumberType) {
    if (next_continues) {
      return false;
    }
    // "J. Bach": a name is seen in upper case only.
    if (is_initial && next_is_upper && (seen & PunktParameters::kLower) == 0) {
      return false;
    }
  }
  return token.ends_sentence;
}

bool Punkt::ContainsBoundary(std::u32string_view context) const {
  std::vector<std::u32string_view> tokens;
  for (size_t begin = 0; begin <= context.size();) {
    const size_t end = std::min(context.find(U'\n', begin), context.size());
    AppendTokens(context.substr(begin, end - begin), tokens);
    begin = end + 1;
  }
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (EndsSentence(Classify(tokens[i]), Classify(tokens[i + 1]))) {
      return true;
    }
  }
  return false;
}

std::vector<std::u32string_view> Punkt::Sentences(std::u32string_view text) const {
  std::vector<Span> spans;
  size_t begin = 0;
  for (const Candidate& candidate : Candidates(text)) {
    if (ContainsBoundary(text.substr(candidate.context_begin,
                                     candidate.context_end - candidate.context_begin))) {
      spans.push_back({begin, candidate.mark + 1});
      begin = candidate.next_sentence;
    }
  }
  size_t end = text.size();
  while (end > 0 && IsSpace(text[end - 1])) {
    --end;
  }
  spans.push_back({begin, std::max(begin, end)});
  return WithClosersMovedBack(text, spans);
}

}  // namespace rwku::metrics
