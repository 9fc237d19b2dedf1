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

  absl::StatusOr<evaluate::Answers> Answer(const evaluate::Questions& questions,
                                           const evaluate::PromptOptions& options,
                                           const evaluate::ProgressCallback& progress,
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
  absl::StatusOr<DecodeRequest> ToDecode(const evaluate::GenerateRequest& request,
                                         bool single_bos) const;
  absl::StatusOr<DecodeRequest> ToDecode(const evaluate::SampleRequest& request,
                                         bool single_bos) const;
  // What a request needs, as queries at the end of `queries`. Returns the query of every
  // continuation, each distinct one once, of the candidates or of the text; kNoQuery for what has
  // no tokens to score.
  absl::StatusOr<std::vector<size_t>> AddQueries(const evaluate::ContinuationRequest& request,
                                                 bool single_bos,
                                                 std::vector<ScoreQuery>& queries) const;
  absl::StatusOr<std::vector<size_t>> AddQueries(const evaluate::NextTokenRequest& request,
                                                 bool single_bos,
                                                 std::vector<ScoreQuery>& queries) const;
  absl::StatusOr<std::vector<size_t>> AddQueries(const std::string& text, bool single_bos,
                                                 std::vector<ScoreQuery>& queries) const;
  // Questions as tokens.
  struct Asked {
    std::vector<DecodeRequest> decode;  // greedy and then sampled ones
    std::vector<ScoreQuery> queries;
    // The queries of every request that is scored: continuations, candidates, texts.
    std::vector<std::vector<size_t>> queries_of;
  };
  absl::StatusOr<Asked> Encode(const evaluate::Questions& questions, bool single_bos) const;
  absl::StatusOr<evaluate::Answers> Decode(const evaluate::Questions& questions, const Asked& asked,
                                           const TokenAnswers& answers) const;
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
