// The Runner of the processor, in float32 with the kernels of kernels.h: no torch operator runs, no
// padding is computed, and what a sequence gets are the same bits in any company and with any
// number of threads.
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
#include "worker/engine/decode/packed_weight.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/decode/thread_team.h"
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

struct HostOptions {
  int threads = 0;  // of a pass; 0: as many as torch's operators use (at::get_num_threads)
  PanelFormat panels = PanelFormat::kExact;
  const Kernels* kernels = &BestKernels();
};

// A copy of a model's weights, adapters merged, packed for the kernels, but for the embedding,
// which is the model's own where that is on the host: the model must not change while its runner is
// asked.
class HostRunner final : public Runner {
 public:
  // `steering` is added to the outputs of the decoder layers at every position.
  explicit HostRunner(const CausalLm& model, LayerVectors steering = {},
                      const HostOptions& options = {});

  // Bytes of the packed weights.
  int64_t PanelBytes() const;

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

  // Some queries of one key-value head of one cache.
  struct AttentionTask {
    HostKvCache* cache;
    int64_t head;
    int64_t first_query;
    int64_t end_query;
  };

  void Multiply(const float* x, int64_t rows, const PackedWeight& weight, bool accumulate,
                float* y);
  // Shares the rows [0, rows) of about `width` floats each.
  template <typename Part>
  void ForRows(int64_t rows, int64_t width, const Part& part);
  void ExtendRotary(bool is_long, int64_t positions);
  void Rotate(float* head, const Row& row) const;
  void StoreKeysAndValues(const Row& row, int64_t layer, const float* qkv) const;
  void Steer(int64_t layer, int64_t rows);
  // attended_[i] = attention of row rows[kept[i]] in `layer`.
  void Attend(absl::Span<const Row> rows, absl::Span<const int64_t> kept, int64_t layer);
  // The rows one after another, [rows, hidden]: where they lie, or copied into `gathered_`.
  template <typename Refs, typename RowOf>
  const float* Gather(const Refs& refs, const RowOf& row_of);
  void RunBlock(absl::Span<const Row> rows, std::vector<float>& hidden);

  const Kernels& kernels_;
  ThreadTeam team_;
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
  std::vector<int64_t> kept_;
  std::vector<AttentionQuery> queries_;
  std::vector<AttentionTask> tasks_;
  std::vector<float> scores_;    // of every thread
  std::vector<float> gathered_;  // of Gather
  std::vector<float> logits_;
  std::vector<LogitSums> sums_;
};

}  // namespace rwku::engine
