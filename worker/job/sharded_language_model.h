// A LanguageModel whose requests the ranks of a gang share.
#pragma once

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/engine.h"

namespace rwku::job {

// Every rank makes the same calls. Of the n requests of a kind, rank r of w answers those from
// floor(n r / w) to floor(n (r + 1) / w), one block because neighbors share prefixes; then each
// rank gets all answers, and the usage of all. Answers depend on their request alone
// (LanguageModel), so they are those of one rank. A call that fails on a rank fails on all with the
// error of the lowest such rank; one that is cancelled returns at once, and its owner aborts the
// gang.
class ShardedLanguageModel final : public evaluate::LanguageModel {
 public:
  // Both outlive this.
  ShardedLanguageModel(evaluate::LanguageModel& own, engine::Gang& gang)
      : own_(own), gang_(gang), usage_(own.usage()) {}

  absl::StatusOr<evaluate::Answers> Answer(const evaluate::Questions& questions,
                                           const evaluate::PromptOptions& options,
                                           const evaluate::ProgressCallback& progress,
                                           const CancelToken& cancel) override;

  // What this rank's model had used before, and what all ranks have since.
  evaluate::Usage usage() const override { return usage_; }

 private:
  evaluate::LanguageModel& own_;
  engine::Gang& gang_;
  evaluate::Usage usage_;
};

}  // namespace rwku::job
