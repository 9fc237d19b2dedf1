#include "benchmark/evaluate/language_model.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace rwku::evaluate {
namespace {

std::array<size_t, 5> SizesOf(const Questions& questions) {
  return {questions.generate.size(), questions.sample.size(), questions.continuations.size(),
          questions.next_tokens.size(), questions.texts.size()};
}

}  // namespace

size_t Questions::size() const {
  size_t sum = 0;
  for (const size_t size : SizesOf(*this)) {
    sum += size;
  }
  return sum;
}

Questions::Place Questions::PlaceOf(size_t number) const {
  RWKU_CHECK(number < size());
  const std::array<size_t, 5> sizes = SizesOf(*this);
  size_t kind = 0;
  while (number >= sizes[kind]) {
    number -= sizes[kind++];
  }
  return {static_cast<Kind>(kind), number};
}

size_t Questions::NumberOf(Place place) const {
  const std::array<size_t, 5> sizes = SizesOf(*this);
  size_t number = place.index;
  for (size_t kind = 0; kind < static_cast<size_t>(place.kind); ++kind) {
    number += sizes[kind];
  }
  return number;
}

absl::StatusOr<std::vector<std::string>> LanguageModel::Generate(
    absl::Span<const GenerateRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(Answers answers, Answer({.generate = requests}, options, progress, cancel));
  return std::move(answers.generate);
}

absl::StatusOr<std::vector<std::string>> LanguageModel::Sample(
    absl::Span<const SampleRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(Answers answers, Answer({.sample = requests}, options, progress, cancel));
  return std::move(answers.sample);
}

absl::StatusOr<std::vector<std::vector<ContinuationScores>>> LanguageModel::ScoreContinuations(
    absl::Span<const ContinuationRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(Answers answers,
                        Answer({.continuations = requests}, options, progress, cancel));
  return std::move(answers.continuations);
}

absl::StatusOr<std::vector<std::vector<float>>> LanguageModel::ScoreNextTokens(
    absl::Span<const NextTokenRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(Answers answers,
                        Answer({.next_tokens = requests}, options, progress, cancel));
  return std::move(answers.next_tokens);
}

absl::StatusOr<std::vector<TokenScores>> LanguageModel::ScoreTexts(
    absl::Span<const std::string> texts, const ProgressCallback& progress,
    const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(Answers answers, Answer({.texts = texts}, {}, progress, cancel));
  return std::move(answers.texts);
}

}  // namespace rwku::evaluate
