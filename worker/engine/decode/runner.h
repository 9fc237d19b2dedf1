// What decoding and scoring need of a model on a device. Planning, shared prefixes, batches and
// draws stand above this interface and know no device: hidden states stay where they were computed,
// and only small answers about them come to the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

// Keys and values of one sequence, where the runner that made it keeps them.
class KvCache {
 public:
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;
  virtual ~KvCache() = default;

  int64_t length() const { return length_; }
  // At least what was asked for.
  int64_t capacity() const { return capacity_; }
  // Where the config has longrope, a cache of more than original_max_position_embeddings positions
  // is for a sequence of more tokens than that, and takes the long factors from its first token on.
  bool uses_long_rope() const { return uses_long_rope_; }

  // For runners: `tokens` positions more are in use.
  void Advance(int64_t tokens) { length_ += tokens; }

 protected:
  // `asked` decides on the rotary factors, `capacity` may be more.
  KvCache(const ModelConfig& config, int64_t asked, int64_t capacity);

 private:
  const int64_t capacity_;  // positions
  const bool uses_long_rope_;
  int64_t length_ = 0;
};

// Tokens that continue the sequence of a cache. Hidden states are wanted from the token
// `first_wanted` of them on; of none where that is their number.
struct CachePiece {
  KvCache* cache = nullptr;
  absl::Span<const int32_t> tokens;
  size_t first_wanted = 0;
};

// Hidden states after the last norm, [size(), hidden], on the device of the runner that made them.
class Rows {
 public:
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  virtual ~Rows() = default;

  int64_t size() const { return size_; }

 protected:
  explicit Rows(int64_t size) : size_(size) {}

 private:
  const int64_t size_;
};

// One hidden state of `rows`, which must live until the call that is given this returns.
struct RowRef {
  const Rows* rows = nullptr;
  int64_t row = 0;
};

// Every row, in order.
std::vector<RowRef> AllOf(const Rows& rows);

// A token under the distribution p that the model gives it.
struct TokenScore {
  float log_probability = 0;    // natural
  float mean = 0;               // sum_v p_v log p_v
  float variance = 0;           // sum_v p_v (log p_v)^2 - mean^2
  bool is_most_likely = false;  // the arg-max; the lowest id among equals

  friend bool operator==(const TokenScore&, const TokenScore&) = default;
};

// A hidden state, and the tokens that could come next.
struct ScoredRow {
  RowRef row;
  absl::Span<const int32_t> tokens;
};

// How one token is drawn; see SampleToken.
struct Draw {
  double temperature = 1;
  double top_p = 1;
  double uniform = 0;  // of [0, 1)
};

// INVALID_ARGUMENT where there is no token or one is outside the vocabulary.
absl::Status CheckTokens(const ModelConfig& config, absl::Span<const int32_t> tokens);

// One vector [hidden] a decoder layer, empty where nothing is added to that layer's output; no
// entries: nothing is added anywhere.
using LayerVectors = std::vector<std::vector<float>>;

// A model's weights as they were when it was made, ready to be asked. What a sequence gets depends
// on its own tokens alone, up to what an implementation says. Not thread-safe. Methods throw
// torch's exceptions: callers stand behind CatchTorch. Caches and rows belong to the runner that
// made them and must not outlive it.
class Runner {
 public:
  virtual ~Runner() = default;

  virtual const ModelConfig& config() const = 0;

  // What a cache of `capacity` positions takes on the device.
  virtual int64_t CacheBytes(int64_t capacity) const = 0;

  // An empty cache. Those in use together must stay within the bytes that the runner was made for.
  virtual std::unique_ptr<KvCache> NewCache(int64_t capacity) = 0;

  // Makes the empty cache `to` begin with all that `from` holds, as if its tokens had been computed
  // there. There must be room; both take the same rotary factors.
  virtual void CopyPrefix(const KvCache& from, KvCache& to) = 0;

  // Appends every piece to its cache, which must have the room, and returns the hidden states of
  // the tokens that are wanted, in order. Token ids must be below vocab_size; a cache may occur
  // once. The cancel token's reason where it fires on the way: the caches are then undefined.
  virtual absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                        const CancelToken& cancel) = 0;

  // One row by itself, so that those around it can go.
  virtual std::unique_ptr<Rows> CopyRow(RowRef row) = 0;

  // The most likely next token after every row; the lowest id among equals; -1 where the largest
  // logit is not finite.
  virtual std::vector<int32_t> Argmax(absl::Span<const RowRef> rows) = 0;

  // The score of every token of every row, in order. Nothing is finite where a logit is NaN or the
  // largest is infinite.
  virtual std::vector<TokenScore> Score(absl::Span<const ScoredRow> rows) = 0;

  // SampleToken for every row; one draw each.
  std::vector<int32_t> Sample(absl::Span<const RowRef> rows, absl::Span<const Draw> draws);

  // [rows, vocab] float32 on the host.
  virtual std::vector<float> Logits(absl::Span<const RowRef> rows) = 0;

  // [rows, hidden] float32 on the host.
  virtual std::vector<float> ToHost(const Rows& rows) = 0;
};

}  // namespace rwku::engine
