// LanguageModel over the resident model: prompts and texts become tokens, answers become text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/prefix_caches.h"
#include "worker/engine/resident.h"
#include "worker/engine/score/score.h"

namespace rwku::engine {

// Unset: as PlanInference has it.
struct LanguageModelOptions {
  std::optional<int> decode_batch;
  std::optional<int64_t> cache_bytes;
  std::optional<int64_t> prefill_tokens;
  bool share_prefixes = true;
};

class TorchLanguageModel final : public evaluate::LanguageModel {
 public:
  // Whatever model `resident`, which must outlive this, holds at a call.
  TorchLanguageModel(Resident& resident, const LanguageModelOptions& options)
      : resident_(resident), options_(options) {}

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

  evaluate::Usage usage() const override { return resident_.usage; }

 private:
  absl::StatusOr<std::string> TextOf(const evaluate::ChatPrompt& prompt) const;
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view prompt, bool single_bos) const;
  absl::StatusOr<std::vector<int32_t>> Encode(const evaluate::ChatPrompt& prompt,
                                              bool single_bos) const;
  // The text of `tokens` as it follows that of `prompt`. Decoded by themselves, tokens of a
  // SentencePiece vocabulary lose the space in front.
  absl::StatusOr<std::string> DecodeAfter(const std::vector<int32_t>& prompt,
                                          const std::vector<int32_t>& tokens) const;
  absl::StatusOr<ScoreQuery> NextTokenQuery(const evaluate::NextTokenRequest& request,
                                            bool single_bos) const;
  // The tokens of every distinct continuation after the prompt, as queries at the end of `queries`;
  // returns the query of every continuation, or kNoQuery where it has no tokens.
  absl::StatusOr<std::vector<size_t>> AddContinuations(const evaluate::ContinuationRequest& request,
                                                       bool single_bos, size_t number,
                                                       std::vector<ScoreQuery>& queries) const;
  absl::StatusOr<std::vector<std::vector<TokenScore>>> Score(
      absl::Span<const ScoreQuery> queries, size_t requests,
      const evaluate::ProgressCallback& progress, const CancelToken& cancel);
  // The resident model, ready to be asked, with what its memory allows.
  struct Ready {
    Runner& runner;
    int decode_batch;
    CacheOptions caches;
  };
  absl::StatusOr<Ready> GetReady();
  absl::Status MakeRunner();

  Resident& resident_;
  const LanguageModelOptions options_;
};

}  // namespace rwku::engine
