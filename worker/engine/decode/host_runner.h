// The Runner of the processor, in float32 with the kernels of kernels.h: no torch operator runs, no
// padding is computed, and what a sequence gets are the same bits in any company.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"
#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Keys and values in the layout of Kernels::attend.
class HostKvCache final : public KvCache {
 public:
  HostKvCache(const ModelConfig& config, int64_t capacity);

  static int64_t Bytes(const ModelConfig& config, int64_t capacity);

  // See Runner::CopyPrefix.
  void CopyPrefix(const HostKvCache& prefix);

  float* keys(int64_t layer, int64_t head) {
    return keys_.mutable_data_ptr<float>() + (layer * heads_ + head) * keys_stride_;
  }
  float* values(int64_t layer, int64_t head) {
    return values_.mutable_data_ptr<float>() + (layer * heads_ + head) * values_stride_;
  }

 private:
  int64_t heads_;
  int64_t keys_stride_;
  int64_t values_stride_;
  at::Tensor keys_;
  at::Tensor values_;
};

// A copy of a model's weights, adapters merged, packed for the kernels. Later changes of the model
// do not reach it.
class HostRunner final : public Runner {
 public:
  // `steering` is added to the outputs of the decoder layers at every position.
  explicit HostRunner(const CausalLm& model, LayerVectors steering = {},
                      const Kernels& kernels = BestKernels());

  const ModelConfig& config() const override { return config_; }
  int64_t CacheBytes(int64_t capacity) const override {
    return HostKvCache::Bytes(config_, capacity);
  }
  std::unique_ptr<KvCache> NewCache(int64_t capacity) override {
    return std::make_unique<HostKvCache>(config_, capacity);
  }
  void CopyPrefix(const KvCache& from, KvCache& to) override;
  absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                const CancelToken& cancel) override;
  std::unique_ptr<Rows> CopyRow(RowRef row) override;
  std::vector<int32_t> Argmax(absl::Span<const RowRef> rows) override;
  std::vector<TokenScore> Score(absl::Span<const ScoredRow> rows) override;
  std::vector<float> Logits(absl::Span<const RowRef> rows) override;
  std::vector<float> ToHost(const Rows& rows) override;

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
    HostKvCache* cache;
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
  // The rows one after another, [rows, hidden]: where they lie, or copied into `gathered_`.
  template <typename Refs, typename RowOf>
  const float* Gather(const Refs& refs, const RowOf& row_of);
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
  std::vector<float> gathered_;  // of Gather
};

}  // namespace rwku::engine
