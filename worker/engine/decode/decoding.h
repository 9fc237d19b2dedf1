// Continuation of many prompts at once: sequences that end leave the batch, waiting ones take their
// place, what prompts share is computed once, and each has a cache of just its own length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "base/random.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/prefix_caches.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

// How the tokens of one request are drawn: position i takes draw i of Random(seed, stream).
struct Sampling {
  double temperature = 1;  // above 0
  double top_p = 1;        // of (0, 1]
  uint64_t seed = 42;
  std::string stream;
};

struct DecodeRequest {
  std::vector<int32_t> prompt;
  int max_new_tokens = 30;
  std::vector<int32_t> end_ids = {};  // the sequence ends with the first of these, which it keeps
  // Unset: the most likely token, the lowest id among equals.
  std::optional<Sampling> sampling = std::nullopt;
};

struct DecodeOptions {
  int max_batch = 64;  // sequences in flight
  CacheOptions caches = {};
};

// INVALID_ARGUMENT for max_batch below 1. Of a request (evaluate::RequestError): INVALID_ARGUMENT
// for an empty prompt, an id outside the vocabulary, max_new_tokens below 1, or a temperature or
// top_p outside its range.
absl::Status CheckDecode(const ModelConfig& config, absl::Span<const DecodeRequest> requests,
                         const DecodeOptions& options);

// Requests on their way, of which whoever owns this makes the passes that give one token each:
//
//   while (!decoding.done()) {
//     Admit(); AddPieces(&pieces); rows = Forward(pieces); TakeRows(rows of those pieces);
//   }
//
// Prompts with room for the most new tokens start first, and what shares a prefix starts together,
// so that few sequences are left when no prompt waits any more. The tokens of a request depend on
// it alone. Throws torch's exceptions: callers stand behind CatchTorch. Not thread-safe.
class Decoding {
 public:
  // `requests` have passed CheckDecode. All arguments must outlive this. Adds to `usage`.
  Decoding(Runner& runner, absl::Span<const DecodeRequest> requests, const DecodeOptions& options,
           KvBudget& budget, evaluate::Usage& usage);

  bool done() const { return !has_waiting() && active_.empty(); }
  bool has_waiting() const { return !caches_.done(); }
  // Sequences that each pass continues.
  size_t active() const { return active_.size(); }
  size_t finished() const { return requests_.size() - waiting_ - active_.size(); }

  // Takes waiting prompts in while there is room for them, and gives each its first new token by
  // passes of its own. RESOURCE_EXHAUSTED when a request alone exceeds the budget, DATA_LOSS when
  // its next token has no finite logit (both evaluate::RequestError); the cancel token's reason.
  absl::Status Admit(const CancelToken& cancel);

  // A piece of one token, and one row, for every active sequence.
  void AddPieces(std::vector<CachePiece>& pieces) const;

  // The next token of every active sequence from its row. DATA_LOSS as Admit.
  absl::Status TakeRows(absl::Span<const RowRef> rows);

  // New tokens of every request, in order.
  std::vector<std::vector<int32_t>> TakeOutputs() { return std::move(outputs_); }

 private:
  bool HasEnded(const StartedSequence& sequence) const;
  std::vector<int32_t> Choose(absl::Span<const RowRef> rows,
                              absl::Span<const StartedSequence> sequences);
  absl::Status Continue(absl::Span<const RowRef> rows, std::vector<StartedSequence>& sequences);

  Runner& runner_;
  const absl::Span<const DecodeRequest> requests_;
  const size_t max_batch_;
  evaluate::Usage& usage_;
  const std::vector<CachedSequence> sequences_;
  const PrefixPlan plan_;
  PrefixCaches caches_;
  std::vector<std::optional<Random>> draws_;  // of sampled requests; a position takes one draw
  std::vector<std::vector<int32_t>> outputs_;
  std::vector<StartedSequence> active_;
  size_t waiting_ = requests_.size();
};

}  // namespace rwku::engine
