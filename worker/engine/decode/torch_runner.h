// The Runner of any device that torch knows, on torch's operators: GPUs in bfloat16 above all. It
// computes with the model's own weights; no copy of them is made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"
#include "worker/engine/decode/kv_ranges.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

class TorchKvCache;

// Keys and values of all sequences lie in one arena, [layers, 2, positions, kv heads, head_dim], a
// range of positions each, so that flash attention takes the whole batch in one call: it is given
// where each range begins and how much of it is in use. The arena is made with the first cache.
//
// A decode step, one token of each of some sequences, is filled up to one of a few sizes, so that a
// GPU repeats a recorded pass (pass_graph.h) and every product has one of a few shapes.
//
// What a row gets may differ in its last bits with the number of rows beside it: torch's products
// choose their order of additions by shape. Decode steps of one size give the same bits.
class TorchRunner final : public Runner {
 public:
  // Asks `model` as it is, adapters included: it must outlive this and must not change meanwhile.
  // Activations, keys and values are in model.compute_dtype(); float32 on a GPU attends one
  // sequence at a time. `steering` is added to the outputs of the decoder layers at every position.
  // `cache_bytes` is the size of the arena.
  TorchRunner(const CausalLm& model, LayerVectors steering, int64_t cache_bytes);
  ~TorchRunner() override;

  const ModelConfig& config() const override { return model_.config(); }
  int64_t CacheBytes(int64_t capacity) const override { return capacity * position_bytes_; }
  std::unique_ptr<KvCache> NewCache(int64_t capacity) override;
  void CopyPrefix(const KvCache& from, KvCache& to) override;
  absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                const CancelToken& cancel) override;
  std::unique_ptr<Rows> CopyRow(RowRef row) override;
  std::vector<int32_t> Argmax(absl::Span<const RowRef> rows) override;
  std::vector<TokenScore> Score(absl::Span<const ScoredRow> rows) override;
  std::vector<float> Logits(absl::Span<const RowRef> rows) override;
  std::vector<float> ToHost(const Rows& rows) override;

 private:
  friend class TorchKvCache;

  struct DecodeStep;

  // One pass, as the operators want it.
  struct Batch {
    at::Tensor tokens;        // [T] int64
    at::Tensor angles;        // [T] int64, rows of the rotary tables
    at::Tensor places;        // [T] int64, positions of the arena
    at::Tensor wanted;        // [W] int64, of T
    at::Tensor query_bounds;  // [n + 1] int32
    at::Tensor begins;        // [n + 1] int32, of the ranges; the last is not read
    at::Tensor used;          // [n] int32, positions of each range that are in use
    int64_t longest_query = 0;
    int64_t longest_used = 0;
    // The same on the host, for devices that attend one sequence at a time.
    std::vector<int64_t> host_bounds;
    std::vector<int64_t> host_begins;
    std::vector<int64_t> host_used;
    int64_t token_count = 0;
    int64_t wanted_count = 0;
  };

  void MakeArena();
  void Compact();
  void ExtendRotary(int64_t positions);
  Batch MakeBatch(absl::Span<const CachePiece> pieces);
  // Hidden states of the wanted rows.
  absl::StatusOr<at::Tensor> Pass(const Batch& batch, const CancelToken& cancel) const;
  at::Tensor Step(absl::Span<const CachePiece> pieces);
  std::unique_ptr<DecodeStep> MakeStep(int64_t size) const;
  at::Tensor Attend(const at::Tensor& q, int64_t layer, const Batch& batch) const;
  at::Tensor Gather(absl::Span<const RowRef> rows) const;
  at::Tensor LogitsOf(absl::Span<const RowRef> rows) const;  // on the device

  const CausalLm& model_;
  const at::Device device_;
  const at::ScalarType dtype_;
  std::vector<at::Tensor> steering_;  // [hidden], or undefined; as many as layers, or none
  int64_t position_bytes_;
  KvRanges ranges_;
  at::Tensor arena_;
  std::map<int64_t, TorchKvCache*> caches_;  // by the beginning of their range
  // Cosines and sines, [2 x rotary_positions_, head_dim / 2] float32, the second half of sequences
  // that UsesLongRope.
  at::Tensor cos_;
  at::Tensor sin_;
  int64_t rotary_positions_ = 0;
  std::map<int64_t, std::unique_ptr<DecodeStep>> steps_;  // by their size
};

}  // namespace rwku::engine
