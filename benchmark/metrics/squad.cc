#include "benchmark/metrics/squad.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

#include "benchmark/metrics/text.h"
#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

bool IsArticle(std::u32string_view word) { return word == U"a" || word == U"an" || word == U"the"; }

// `text` with each run of word characters that is an article replaced by a space.
std::u32string WithoutArticles(std::u32string_view text) {
  std::u32string kept;
  kept.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    if (!IsWordCharacter(text[at])) {
      kept.push_back(text[at++]);
      continue;
    }
    size_t end = at + 1;
    while (end < text.size() && IsWordCharacter(text[end])) {
      ++end;
    }
    const std::u32string_view word = text.substr(at, end - at);
    kept.append(IsArticle(word) ? U" " : word);
    at = end;
  }
  return kept;
}

double F1OfTokens(absl::Span<const std::string> prediction, absl::Span<const std::string> answer) {
  if (prediction.empty() || answer.empty()) {
    return prediction.empty() && answer.empty() ? 1.0 : 0.0;
  }
  absl::flat_hash_map<absl::string_view, int64_t> unmatched;
  for (const std::string& token : answer) {
    ++unmatched[token];
  }
  int64_t common = 0;
  for (const std::string& token : prediction) {
    const auto found = unmatched.find(token);
    if (found != unmatched.end() && found->second > 0) {
      --found->second;
      ++common;
    }
  }
  if (common == 0) {
    return 0.0;
  }
  const double precision = static_cast<double>(common) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(common) / static_cast<double>(answer.size());
  return (2 * precision * recall) / (precision + recall);
}

double MatchOfTokens(absl::Span<const std::string> prediction,
                     absl::Span<const std::string> answer) {
  return prediction == answer ? 1.0 : 0.0;
}

template <typename ScoreOfTokens>
std::optional<double> BestOver(absl::string_view prediction, absl::Span<const std::string> answers,
                               ScoreOfTokens score) {
  const std::vector<std::string> tokens = SquadTokens(prediction);
  std::optional<double> best;
  for (const std::string& answer : answers) {
    best = std::max(best.value_or(0.0), score(tokens, SquadTokens(answer)));
  }
  return best;
}

}  // namespace

std::vector<std::string> SquadTokens(absl::string_view text) {
  std::u32string characters = DecodeUtf8(Lower(text));
  std::erase_if(characters, IsAsciiPunctuation);
  const std::string normalised = EncodeUtf8(WithoutArticles(characters));
  std::vector<std::string> tokens;
  for (const absl::string_view word : SplitWords(normalised)) {
    tokens.emplace_back(word);
  }
  return tokens;
}

std::optional<double> ExactMatch(absl::string_view prediction,
                                 absl::Span<const std::string> answers) {
  return BestOver(prediction, answers, MatchOfTokens);
}

std::optional<double> TokenF1(absl::string_view prediction, absl::Span<const std::string> answers) {
  return BestOver(prediction, answers, F1OfTokens);
}

}  // namespace rwku::metrics
