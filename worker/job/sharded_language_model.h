// A LanguageModel whose requests the ranks of a gang share.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/engine.h"

namespace rwku::job {

// Every rank makes the same calls. Rank r of w answers the requests from floor(n r / w) to
// floor(n (r + 1) / w) of a call's n, one block because neighbors share prefixes; then each rank
// gets all answers, and the usage of all. Answers depend on their request alone (LanguageModel), so
// they are those of one rank. A call that fails on a rank fails on all with the error of the lowest
// such rank; one that is cancelled returns at once, and its owner aborts the gang.
class ShardedLanguageModel final : public evaluate::LanguageModel {
 public:
  // Both outlive this.
  ShardedLanguageModel(evaluate::LanguageModel& own, engine::Gang& gang)
      : own_(own), gang_(gang), usage_(own.usage()) {}

  absl::StatusOr<std::vector<std::string>> Generate(
      absl::Span<const evaluate::GenerateRequest> requests, const evaluate::PromptOptions& options,
      const evaluate::ProgressCallback& progress, const CancelToken& cancel) override;
  absl::StatusOr<std::vector<std::string>> Sample(
      absl::Span<const evaluate::SampleRequest> requests, const evaluate::PromptOptions& options,
      const evaluate::ProgressCallback& progress, const CancelToken& cancel) override;
  absl::StatusOr<std::vector<std::vector<evaluate::ContinuationScores>>> ScoreContinuations(
      absl::Span<const evaluate::ContinuationRequest> requests,
      const evaluate::PromptOptions& options, const evaluate::ProgressCallback& progress,
      const CancelToken& cancel) override;
  absl::StatusOr<std::vector<std::vector<float>>> ScoreNextTokens(
      absl::Span<const evaluate::NextTokenRequest> requests, const evaluate::PromptOptions& options,
      const evaluate::ProgressCallback& progress, const CancelToken& cancel) override;
  absl::StatusOr<std::vector<evaluate::TokenScores>> ScoreTexts(
      absl::Span<const std::string> texts, const evaluate::ProgressCallback& progress,
      const CancelToken& cancel) override;

  // What this rank's model had used before, and what all ranks have since.
  evaluate::Usage usage() const override { return usage_; }

 private:
  template <typename Answer, typename Request, typename Ask>
  absl::StatusOr<std::vector<Answer>> Share(absl::Span<const Request> requests,
                                            const evaluate::ProgressCallback& progress,
                                            const CancelToken& cancel, const Ask& ask);

  evaluate::LanguageModel& own_;
  engine::Gang& gang_;
  evaluate::Usage usage_;
};

}  // namespace rwku::job
