// Inference of a model on the CPU with the kernels of kernels.h: no torch operator runs, no
// padding is computed, and what a sequence gets does not depend on its neighbours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/decode/kernels.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Keys and values of one sequence, in the layout of Kernels::attend.
class KvCache {
 public:
  // Where the config has longrope, a cache of more than original_max_position_embeddings positions
  // is for a sequence of more tokens than that, and takes the long factors from its first token on.
  KvCache(const ModelConfig& config, int64_t capacity);

  static int64_t Bytes(const ModelConfig& config, int64_t capacity);

  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  bool uses_long_rope() const { return uses_long_rope_; }
  void Advance(int64_t tokens) { length_ += tokens; }

  // Makes an empty cache begin with all that `prefix` holds, as if its tokens had been computed
  // here; there must be room. Caches of one model and one kind of rope.
  void CopyPrefix(const KvCache& prefix);

  float* keys(int64_t layer, int64_t head) {
    return keys_.mutable_data_ptr<float>() + (layer * heads_ + head) * keys_stride_;
  }
  float* values(int64_t layer, int64_t head) {
    return values_.mutable_data_ptr<float>() + (layer * heads_ + head) * values_stride_;
  }

 private:
  int64_t heads_;
  int64_t capacity_;  // positions
  int64_t keys_stride_;
  int64_t values_stride_;
  bool uses_long_rope_;
  int64_t length_ = 0;
  at::Tensor keys_;
  at::Tensor values_;
};

// Tokens that continue the sequence of a cache. Hidden states are wanted from the token
// `first_wanted` of them on; of none where that is their number.
struct CachePiece {
  KvCache* cache = nullptr;
  absl::Span<const int32_t> tokens;
  size_t first_wanted = 0;
};

// INVALID_ARGUMENT where there is no token or one is outside the vocabulary.
absl::Status CheckTokens(const ModelConfig& config, absl::Span<const int32_t> tokens);

// One vector [hidden] a decoder layer, empty where nothing is added to that layer's output; no
// entries: nothing is added anywhere.
using LayerVectors = std::vector<std::vector<float>>;

// A copy of a model's weights, adapters merged, packed for the kernels. Later changes of the model
// do not reach it. Not thread-safe.
class CpuRunner {
 public:
  // `steering` is added to the outputs of the decoder layers at every position.
  explicit CpuRunner(const CausalLm& model, LayerVectors steering = {},
                     const Kernels& kernels = BestKernels());

  const ModelConfig& config() const { return config_; }

  // Appends every piece to its cache, which must have the room, and returns hidden states after the
  // last norm, [rows, hidden], of the tokens that are wanted, in order. Token ids must be below
  // vocab_size; a cache may occur once.
  std::vector<float> Forward(absl::Span<const CachePiece> pieces);

  // The most likely next token of every row of hidden states; the lowest id among equals; -1 where
  // the largest logit is not finite.
  std::vector<int32_t> Argmax(absl::Span<const float> hidden) const;

  // [rows, hidden] -> [rows, vocab].
  void Logits(absl::Span<const float> hidden, std::vector<float>& logits) const;

  LogitSums SumLogits(absl::Span<const float> logits) const {
    return kernels_.logit_sums(logits.data(), static_cast<int64_t>(logits.size()));
  }

 private:
  struct PackedWeight {
    at::Tensor panels;
    int64_t columns = 0;
    int64_t depth = 0;
    at::Tensor bias;  // [columns], or undefined
  };
  // Cosines and sines of positions as far as they were asked for, [positions, head_dim / 2].
  struct RotaryTable {
    std::vector<float> inverse_frequencies;
    std::vector<float> cos;
    std::vector<float> sin;
  };
  struct Layer {
    at::Tensor input_norm;
    PackedWeight qkv;
    PackedWeight output;
    at::Tensor post_attn_norm;
    PackedWeight gate_up;
    PackedWeight down;
  };
  // One token on its way through the layers.
  struct Row {
    KvCache* cache;
    int64_t position;
    int32_t token;
    bool is_wanted;
  };

  static PackedWeight Pack(const std::vector<const Linear*>& parts);
  void Multiply(const float* x, int64_t rows, const PackedWeight& weight, bool accumulate,
                float* y) const;
  void ExtendRotary(bool is_long, int64_t positions);
  void Rotate(float* head, const Row& row) const;
  void StoreKeysAndValues(const Row& row, int64_t layer, const float* qkv) const;
  void Steer(int64_t layer, int64_t rows);
  void RunBlock(absl::Span<const Row> rows, std::vector<float>& hidden);

  const Kernels& kernels_;
  ModelConfig config_;
  at::Tensor embedding_;  // [vocab, hidden]
  std::vector<Layer> layers_;
  at::Tensor final_norm_;
  PackedWeight head_;
  LayerVectors steering_;
  std::array<RotaryTable, 2> rotary_;  // the second of sequences that UsesLongRope
  // Scratch of RunBlock.
  std::vector<float> x_;
  std::vector<float> normed_;
  std::vector<float> qkv_;
  std::vector<float> attended_;
  std::vector<float> gate_up_;
  std::vector<float> inner_;
  std::vector<float> scores_;
  std::vector<AttentionQuery> queries_;
};

}  // namespace rwku::engine
