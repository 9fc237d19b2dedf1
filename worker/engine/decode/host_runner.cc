#include "worker/engine/decode/host_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "base/status_macros.h"
#include "worker/engine/decode/token_score.h"
#include "worker/engine/model/rope.h"

namespace rwku::engine {

namespace {

// Rows that pass through all layers together: enough to reuse every panel, few enough that their
// activations stay in the second-level cache.
constexpr int64_t kBlockRows = 128;
// Logits of so many panels are looked at before the next are computed.
constexpr int64_t kHeadPanels = 64;

// Rows whose logits exist at a time.
constexpr size_t kLogitRows = 32;

class HostRows final : public Rows {
 public:
  HostRows(std::vector<float> values, int64_t width)
      : Rows(static_cast<int64_t>(values.size()) / width), values_(std::move(values)) {}

  const std::vector<float>& values() const { return values_; }

 private:
  const std::vector<float> values_;
};

const float* RowAt(const RowRef& ref, int64_t width) {
  return static_cast<const HostRows&>(*ref.rows).values().data() + ref.row * width;
}

at::Tensor HostCopy(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU, at::kFloat).contiguous().clone();
}

template <typename T>
void Resize(std::vector<T>& scratch, int64_t size) {
  if (scratch.size() < static_cast<size_t>(size)) {
    scratch.resize(static_cast<size_t>(size));
  }
}

// The parts of a product, or the one fused Linear where the family has that.
std::vector<const Linear*> PartsOf(const Linear& fused, const std::vector<const Linear*>& apart) {
  return fused.weight.defined() ? std::vector<const Linear*>{&fused} : apart;
}

// y[r][c] += x[c]
void AddToRows(const float* x, int64_t rows, int64_t columns, float* y) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      y[r * columns + c] += x[c];
    }
  }
}

}  // namespace

HostKvCache::HostKvCache(const ModelConfig& config, int64_t capacity)
    : KvCache(config, capacity, RoundUp(capacity, kLanes)),
      heads_(config.num_key_value_heads),
      keys_stride_(this->capacity() * config.head_dim),
      values_stride_(this->capacity() * RoundUp(config.head_dim, kLanes)) {
  const int64_t count = config.num_hidden_layers * heads_;
  // Zeros: the kernel reads whole blocks, and values in the padding must not be NaN.
  keys_ = at::zeros({count * keys_stride_}, at::kFloat);
  values_ = at::zeros({count * values_stride_}, at::kFloat);
}

int64_t HostKvCache::Bytes(const ModelConfig& config, int64_t capacity) {
  return config.num_hidden_layers * config.num_key_value_heads * RoundUp(capacity, kLanes) *
         (config.head_dim + RoundUp(config.head_dim, kLanes)) * static_cast<int64_t>(sizeof(float));
}

void HostKvCache::CopyPrefix(const HostKvCache& prefix) {
  RWKU_CHECK(length() == 0 && prefix.length() <= capacity());
  RWKU_CHECK(uses_long_rope() == prefix.uses_long_rope());
  const int64_t planes = keys_.numel() / keys_stride_;
  // Whole blocks of keys: what lies beyond the length is not read before it is written.
  const int64_t positions = RoundUp(prefix.length(), kLanes);
  const auto copy = [&](const at::Tensor& from, int64_t from_stride, at::Tensor& to,
                        int64_t to_stride) {
    const int64_t count = positions * (to_stride / capacity());
    for (int64_t plane = 0; plane < planes; ++plane) {
      std::memcpy(to.mutable_data_ptr<float>() + plane * to_stride,
                  from.const_data_ptr<float>() + plane * from_stride,
                  static_cast<size_t>(count) * sizeof(float));
    }
  };
  copy(prefix.keys_, prefix.keys_stride_, keys_, keys_stride_);
  copy(prefix.values_, prefix.values_stride_, values_, values_stride_);
  Advance(prefix.length());
}

HostRunner::PackedWeight HostRunner::Pack(const std::vector<const Linear*>& parts) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  weights.reserve(parts.size());
  for (const Linear* part : parts) {
    at::Tensor weight = part->weight.detach().to(at::kCPU, at::kFloat);
    if (part->adapter) {
      weight = weight +
               at::matmul(part->adapter->b, part->adapter->a).to(at::kCPU) * part->adapter->scale;
    }
    weights.push_back(weight);
    if (part->bias.defined()) {
      biases.push_back(HostCopy(part->bias));
    }
  }
  const at::Tensor joined = at::cat(weights, 0).contiguous();
  PackedWeight packed;
  packed.columns = joined.size(0);
  packed.depth = joined.size(1);
  packed.panels = at::zeros({PackedSize(packed.columns, packed.depth)}, at::kFloat);
  PackPanels(joined.const_data_ptr<float>(), 0, packed.columns, packed.depth,
             packed.panels.mutable_data_ptr<float>());
  if (!biases.empty()) {
    packed.bias = at::cat(biases, 0).contiguous();
    RWKU_CHECK(packed.bias.numel() == packed.columns);
  }
  return packed;
}

HostRunner::HostRunner(const CausalLm& model, LayerVectors steering, const Kernels& kernels)
    : kernels_(kernels), config_(model.config()), steering_(std::move(steering)) {
  const at::AutoGradMode no_grad(false);
  rotary_[0].inverse_frequencies = RopeInverseFrequencies(config_, /*is_long=*/false);
  rotary_[1].inverse_frequencies = RopeInverseFrequencies(config_, /*is_long=*/true);
  embedding_ = HostCopy(model.embedding);
  final_norm_ = HostCopy(model.final_norm);
  head_ = Pack({&model.lm_head});
  layers_.reserve(model.layers.size());
  for (const CausalLmLayer& layer : model.layers) {
    layers_.push_back({HostCopy(layer.input_norm),
                       Pack(PartsOf(layer.qkv_proj, {&layer.q_proj, &layer.k_proj, &layer.v_proj})),
                       Pack({&layer.o_proj}), HostCopy(layer.post_attn_norm),
                       Pack(PartsOf(layer.gate_up_proj, {&layer.gate_proj, &layer.up_proj})),
                       Pack({&layer.down_proj})});
  }
  RWKU_CHECK(steering_.empty() || steering_.size() == layers_.size());
  for (const std::vector<float>& vector : steering_) {
    RWKU_CHECK(vector.empty() || static_cast<int64_t>(vector.size()) == config_.hidden_size);
  }
}

void HostRunner::Multiply(const float* x, int64_t rows, const PackedWeight& weight, bool accumulate,
                          float* y) const {
  kernels_.multiply(x, rows, weight.depth, weight.panels.const_data_ptr<float>(), 0,
                    RoundUp(weight.columns, kPanelColumns) / kPanelColumns, weight.columns,
                    accumulate, y, weight.columns);
  if (weight.bias.defined()) {
    AddToRows(weight.bias.const_data_ptr<float>(), rows, weight.columns, y);
  }
}

void HostRunner::ExtendRotary(bool is_long, int64_t positions) {
  RotaryTable& table = rotary_[is_long ? 1 : 0];
  const auto half = static_cast<int64_t>(table.inverse_frequencies.size());
  const auto factor = static_cast<float>(RopeAttentionFactor(config_));
  for (auto position = static_cast<int64_t>(table.cos.size()) / half; position < positions;
       ++position) {
    for (const float frequency : table.inverse_frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      table.cos.push_back(std::cos(angle) * factor);
      table.sin.push_back(std::sin(angle) * factor);
    }
  }
}

void HostRunner::Rotate(float* head, const Row& row) const {
  const RotaryTable& table = rotary_[row.cache->uses_long_rope() ? 1 : 0];
  const int64_t half = config_.head_dim / 2;
  const float* const cos = table.cos.data() + row.position * half;
  const float* const sin = table.sin.data() + row.position * half;
  for (int64_t i = 0; i < half; ++i) {
    const float low = head[i];
    const float high = head[half + i];
    head[i] = low * cos[i] - high * sin[i];
    head[half + i] = high * cos[i] + low * sin[i];
  }
}

void HostRunner::StoreKeysAndValues(const Row& row, int64_t layer, const float* qkv) const {
  const int64_t head_dim = config_.head_dim;
  const float* key = qkv + config_.num_attention_heads * head_dim;
  const float* value = key + config_.num_key_value_heads * head_dim;
  const int64_t block = row.position / kLanes * kLanes;
  for (int64_t head = 0; head < config_.num_key_value_heads; ++head) {
    float* const to = row.cache->keys(layer, head) + block * head_dim + row.position % kLanes;
    for (int64_t d = 0; d < head_dim; ++d) {
      to[d * kLanes] = key[d];
    }
    std::memcpy(row.cache->values(layer, head) + row.position * RoundUp(head_dim, kLanes), value,
                static_cast<size_t>(head_dim) * sizeof(float));
    key += head_dim;
    value += head_dim;
  }
}

void HostRunner::Steer(int64_t layer, int64_t rows) {
  if (!steering_.empty() && !steering_[layer].empty()) {
    AddToRows(steering_[layer].data(), rows, config_.hidden_size, x_.data());
  }
}

void HostRunner::RunBlock(absl::Span<const Row> rows, std::vector<float>& hidden) {
  auto count = static_cast<int64_t>(rows.size());
  const int64_t width = config_.hidden_size;
  const int64_t head_dim = config_.head_dim;
  const int64_t heads = config_.num_attention_heads;
  const int64_t group = heads / config_.num_key_value_heads;
  const int64_t qkv_width = (heads + 2 * config_.num_key_value_heads) * head_dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  Resize(x_, count * width);
  Resize(normed_, count * width);
  Resize(qkv_, count * qkv_width);
  Resize(attended_, count * heads * head_dim);
  Resize(gate_up_, count * 2 * config_.intermediate_size);
  Resize(inner_, count * config_.intermediate_size);
  for (int64_t r = 0; r < count; ++r) {
    std::memcpy(x_.data() + r * width, embedding_.const_data_ptr<float>() + rows[r].token * width,
                static_cast<size_t>(width) * sizeof(float));
  }
  for (int64_t l = 0; l < config_.num_hidden_layers; ++l) {
    const Layer& layer = layers_[l];
    const int64_t window = config_.Window(l);
    kernels_.rms_norm(x_.data(), layer.input_norm.const_data_ptr<float>(), eps, count, width,
                      normed_.data());
    Multiply(normed_.data(), count, layer.qkv, false, qkv_.data());
    for (int64_t r = 0; r < count; ++r) {
      float* const qkv = qkv_.data() + r * qkv_width;
      for (int64_t head = 0; head < heads + config_.num_key_value_heads; ++head) {
        Rotate(qkv + head * head_dim, rows[r]);
      }
      StoreKeysAndValues(rows[r], l, qkv);
    }
    // Of the rows that nobody asked for, the last layer needs the keys and values alone.
    const bool is_last = l + 1 == config_.num_hidden_layers;
    int64_t kept = 0;
    for (int64_t r = 0; r < count; ++r) {
      if (is_last && !rows[r].is_wanted) {
        continue;
      }
      const int64_t end = rows[r].position + 1;
      const int64_t first = window == 0 ? 0 : std::max(int64_t{0}, end - window);
      Resize(scores_, AttentionScratch(end, head_dim));
      queries_.resize(static_cast<size_t>(group));
      for (int64_t head = 0; head < heads; ++head) {
        queries_[head % group] = {qkv_.data() + r * qkv_width + head * head_dim,
                                  attended_.data() + (kept * heads + head) * head_dim, first, end};
        if (head % group == group - 1) {
          kernels_.attend(queries_.data(), group, rows[r].cache->keys(l, head / group),
                          rows[r].cache->values(l, head / group), head_dim, scale, scores_.data());
        }
      }
      if (kept != r) {
        std::memcpy(x_.data() + kept * width, x_.data() + r * width,
                    static_cast<size_t>(width) * sizeof(float));
      }
      ++kept;
    }
    count = kept;
    Multiply(attended_.data(), count, layer.output, true, x_.data());
    kernels_.rms_norm(x_.data(), layer.post_attn_norm.const_data_ptr<float>(), eps, count, width,
                      normed_.data());
    Multiply(normed_.data(), count, layer.gate_up, false, gate_up_.data());
    kernels_.silu_product(gate_up_.data(), count, config_.intermediate_size, inner_.data());
    Multiply(inner_.data(), count, layer.down, true, x_.data());
    Steer(l, count);
  }
  const size_t before = hidden.size();
  hidden.resize(before + static_cast<size_t>(count * width));
  kernels_.rms_norm(x_.data(), final_norm_.const_data_ptr<float>(), eps, count, width,
                    hidden.data() + before);
}

absl::StatusOr<std::unique_ptr<Rows>> HostRunner::Forward(absl::Span<const CachePiece> pieces,
                                                          const CancelToken& cancel) {
  std::vector<Row> rows;
  for (const CachePiece& piece : pieces) {
    auto& cache = static_cast<HostKvCache&>(*piece.cache);
    const auto count = static_cast<int64_t>(piece.tokens.size());
    RWKU_CHECK(cache.length() + count <= cache.capacity());
    for (int64_t i = 0; i < count; ++i) {
      RWKU_CHECK(piece.tokens[i] >= 0 && piece.tokens[i] < config_.vocab_size);
      rows.push_back({&cache, cache.length() + i, piece.tokens[i],
                      i >= static_cast<int64_t>(piece.first_wanted)});
    }
    cache.Advance(count);
    ExtendRotary(cache.uses_long_rope(), cache.length());
  }
  std::vector<float> hidden;
  const auto total = static_cast<int64_t>(rows.size());
  for (int64_t first = 0; first < total; first += kBlockRows) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RunBlock(absl::MakeConstSpan(rows).subspan(first, std::min(kBlockRows, total - first)), hidden);
  }
  return std::make_unique<HostRows>(std::move(hidden), config_.hidden_size);
}

void HostRunner::CopyPrefix(const KvCache& from, KvCache& to) {
  static_cast<HostKvCache&>(to).CopyPrefix(static_cast<const HostKvCache&>(from));
}

std::unique_ptr<Rows> HostRunner::CopyRow(RowRef row) {
  const float* const from = RowAt(row, config_.hidden_size);
  return std::make_unique<HostRows>(std::vector<float>(from, from + config_.hidden_size),
                                    config_.hidden_size);
}

template <typename Refs, typename RowOf>
const float* HostRunner::Gather(const Refs& refs, const RowOf& row_of) {
  const int64_t width = config_.hidden_size;
  const auto at = [&](size_t i) { return RowAt(row_of(refs[i]), width); };
  bool is_together = true;
  for (size_t i = 1; i < refs.size() && is_together; ++i) {
    is_together = at(i) == at(0) + static_cast<int64_t>(i) * width;
  }
  if (is_together) {
    return refs.empty() ? nullptr : at(0);
  }
  Resize(gathered_, static_cast<int64_t>(refs.size()) * width);
  for (size_t i = 0; i < refs.size(); ++i) {
    std::memcpy(gathered_.data() + i * static_cast<size_t>(width), at(i),
                static_cast<size_t>(width) * sizeof(float));
  }
  return gathered_.data();
}

std::vector<int32_t> HostRunner::Argmax(absl::Span<const RowRef> refs) {
  const float* const hidden = Gather(refs, [](const RowRef& ref) { return ref; });
  const auto rows = static_cast<int64_t>(refs.size());
  const int64_t panels = RoundUp(head_.columns, kPanelColumns) / kPanelColumns;
  const int64_t stride = kHeadPanels * kPanelColumns;
  std::vector<float> logits(static_cast<size_t>(rows * stride));
  std::vector<int32_t> best(static_cast<size_t>(rows), -1);
  std::vector<float> best_value(static_cast<size_t>(rows), -INFINITY);
  for (int64_t panel = 0; panel < panels; panel += kHeadPanels) {
    const int64_t begin = panel * kPanelColumns;
    const int64_t columns = std::min(stride, head_.columns - begin);
    kernels_.multiply(hidden, rows, head_.depth,
                      head_.panels.const_data_ptr<float>() + begin * head_.depth, 0,
                      std::min(kHeadPanels, panels - panel), columns, false, logits.data(), stride);
    for (int64_t r = 0; r < rows; ++r) {
      const float* const row = logits.data() + r * stride;
      const int64_t found = kernels_.arg_max(row, columns);
      if (row[found] > best_value[r]) {
        best_value[r] = row[found];
        best[r] = static_cast<int32_t>(begin + found);
      }
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    if (!std::isfinite(best_value[r])) {
      best[r] = -1;
    }
  }
  return best;
}

std::vector<TokenScore> HostRunner::Score(absl::Span<const ScoredRow> rows) {
  std::vector<TokenScore> scores;
  std::vector<float> logits;
  for (size_t first = 0; first < rows.size(); first += kLogitRows) {
    const auto some = rows.subspan(first, kLogitRows);
    const float* const hidden = Gather(some, [](const ScoredRow& row) { return row.row; });
    logits.resize(some.size() * static_cast<size_t>(config_.vocab_size));
    Multiply(hidden, static_cast<int64_t>(some.size()), head_, false, logits.data());
    for (size_t r = 0; r < some.size(); ++r) {
      const float* const row = logits.data() + r * static_cast<size_t>(config_.vocab_size);
      const LogitSums sums = kernels_.logit_sums(row, config_.vocab_size);
      for (const int32_t token : some[r].tokens) {
        const bool is_most_likely =
            row[token] == sums.max && std::find(row, row + token, sums.max) == row + token;
        scores.push_back(ScoreOf(sums, row[token], is_most_likely));
      }
    }
  }
  return scores;
}

std::vector<float> HostRunner::Logits(absl::Span<const RowRef> rows) {
  std::vector<float> logits(rows.size() * static_cast<size_t>(config_.vocab_size));
  const float* const hidden = Gather(rows, [](const RowRef& ref) { return ref; });
  Multiply(hidden, static_cast<int64_t>(rows.size()), head_, false, logits.data());
  return logits;
}

std::vector<float> HostRunner::ToHost(const Rows& rows) {
  return static_cast<const HostRows&>(rows).values();
}

}  // namespace rwku::engine
