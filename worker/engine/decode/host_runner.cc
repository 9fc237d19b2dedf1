#include "worker/engine/decode/host_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
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
constexpr int64_t kHeadPanels = 16;
// Positions of one sequence whose attention one thread computes together.
constexpr int64_t kAttentionRows = 16;
// Below so many floats, or products of two, a second thread costs more than it brings.
constexpr int64_t kLeastShared = 1 << 14;

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

// The tensor itself where it is that already.
at::Tensor OnHost(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU, at::kFloat).contiguous();
}

constexpr int64_t DivideUp(int64_t value, int64_t by) { return (value + by - 1) / by; }

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

HostRunner::HostRunner(const CausalLm& model, LayerVectors steering, const HostOptions& options)
    : kernels_(*options.kernels),
      team_(options.threads > 0 ? options.threads : at::get_num_threads()),
      config_(model.config()),
      steering_(std::move(steering)) {
  const at::AutoGradMode no_grad(false);
  rotary_[0].inverse_frequencies = RopeInverseFrequencies(config_, /*is_long=*/false);
  rotary_[1].inverse_frequencies = RopeInverseFrequencies(config_, /*is_long=*/true);
  const auto pack = [&](const std::vector<const Linear*>& parts) {
    return PackedWeight(parts, options.panels, team_);
  };
  embedding_ = OnHost(model.embedding);
  final_norm_ = OnHost(model.final_norm);
  head_ = pack({&model.lm_head});
  layers_.reserve(model.layers.size());
  for (const CausalLmLayer& layer : model.layers) {
    layers_.push_back({OnHost(layer.input_norm),
                       pack(PartsOf(layer.qkv_proj, {&layer.q_proj, &layer.k_proj, &layer.v_proj})),
                       pack({&layer.o_proj}), OnHost(layer.post_attn_norm),
                       pack(PartsOf(layer.gate_up_proj, {&layer.gate_proj, &layer.up_proj})),
                       pack({&layer.down_proj})});
  }
  RWKU_CHECK(steering_.empty() || steering_.size() == layers_.size());
  for (const std::vector<float>& vector : steering_) {
    RWKU_CHECK(vector.empty() || static_cast<int64_t>(vector.size()) == config_.hidden_size);
  }
}

int64_t HostRunner::PanelBytes() const {
  int64_t bytes = head_.bytes();
  for (const Layer& layer : layers_) {
    bytes += layer.qkv.bytes() + layer.output.bytes() + layer.gate_up.bytes() + layer.down.bytes();
  }
  return bytes;
}

void HostRunner::Multiply(const float* x, int64_t rows, const PackedWeight& weight, bool accumulate,
                          float* y) {
  weight.Multiply(kernels_, team_, x, rows, accumulate, y);
}

template <typename Part>
void HostRunner::ForRows(int64_t rows, int64_t width, const Part& part) {
  const int64_t grain =
      std::max(DivideUp(rows, int64_t{2} * team_.threads()), DivideUp(kLeastShared, width));
  team_.For(rows, grain, [&](int64_t begin, int64_t end, int) { part(begin, end); });
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
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < config_.hidden_size; ++i) {
        x_[r * config_.hidden_size + i] += steering_[layer][i];
      }
    }
  }
}

void HostRunner::Attend(absl::Span<const Row> rows, absl::Span<const int64_t> kept, int64_t layer) {
  const int64_t head_dim = config_.head_dim;
  const int64_t heads = config_.num_attention_heads;
  const int64_t kv_heads = config_.num_key_value_heads;
  const int64_t group = heads / kv_heads;
  const int64_t qkv_width = (heads + 2 * kv_heads) * head_dim;
  const int64_t window = config_.Window(layer);
  const auto count = static_cast<int64_t>(kept.size());
  queries_.clear();
  tasks_.clear();
  int64_t longest = 0;
  int64_t work = 0;
  for (int64_t first = 0, next = 0; first < count; first = next) {
    HostKvCache* const cache = rows[kept[first]].cache;
    while (next < count && next - first < kAttentionRows && rows[kept[next]].cache == cache) {
      ++next;
    }
    for (int64_t head = 0; head < kv_heads; ++head) {
      const auto first_query = static_cast<int64_t>(queries_.size());
      for (int64_t i = first; i < next; ++i) {
        const int64_t end = rows[kept[i]].position + 1;
        const int64_t begin = window == 0 ? 0 : std::max(int64_t{0}, end - window);
        longest = std::max(longest, end);
        work += (end - begin) * group * head_dim;
        for (int64_t h = head * group; h < (head + 1) * group; ++h) {
          queries_.push_back({qkv_.data() + kept[i] * qkv_width + h * head_dim,
                              attended_.data() + (i * heads + h) * head_dim, begin, end});
        }
      }
      tasks_.push_back({cache, head, first_query, static_cast<int64_t>(queries_.size())});
    }
  }
  const int64_t scratch = AttentionScratch(longest, head_dim);
  Resize(scores_, scratch * team_.threads());
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const auto tasks = static_cast<int64_t>(tasks_.size());
  const int64_t grain = work < kLeastShared ? tasks : DivideUp(tasks, int64_t{8} * team_.threads());
  team_.For(tasks, grain, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const AttentionTask& task = tasks_[i];
      kernels_.attend(queries_.data() + task.first_query, task.end_query - task.first_query,
                      task.cache->keys(layer, task.head), task.cache->values(layer, task.head),
                      head_dim, scale, scores_.data() + thread * scratch);
    }
  });
}

void HostRunner::RunBlock(absl::Span<const Row> rows, std::vector<float>& hidden) {
  auto count = static_cast<int64_t>(rows.size());
  const int64_t width = config_.hidden_size;
  const int64_t inner_width = config_.intermediate_size;
  const int64_t head_dim = config_.head_dim;
  const int64_t heads = config_.num_attention_heads;
  const int64_t qkv_width = (heads + 2 * config_.num_key_value_heads) * head_dim;
  Resize(x_, count * width);
  Resize(normed_, count * width);
  Resize(qkv_, count * qkv_width);
  Resize(attended_, count * heads * head_dim);
  Resize(gate_up_, count * 2 * inner_width);
  Resize(inner_, count * inner_width);
  const auto norm = [&](const at::Tensor& weight, float* to) {
    ForRows(count, width, [&](int64_t begin, int64_t end) {
      kernels_.rms_norm(x_.data() + begin * width, weight.const_data_ptr<float>(),
                        static_cast<float>(config_.rms_norm_eps), end - begin, width,
                        to + begin * width);
    });
  };
  ForRows(count, width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::memcpy(x_.data() + r * width, embedding_.const_data_ptr<float>() + rows[r].token * width,
                  static_cast<size_t>(width) * sizeof(float));
    }
  });
  kept_.resize(rows.size());
  std::iota(kept_.begin(), kept_.end(), 0);
  for (int64_t l = 0; l < config_.num_hidden_layers; ++l) {
    const Layer& layer = layers_[l];
    norm(layer.input_norm, normed_.data());
    Multiply(normed_.data(), count, layer.qkv, false, qkv_.data());
    ForRows(count, qkv_width, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        float* const qkv = qkv_.data() + r * qkv_width;
        for (int64_t head = 0; head < heads + config_.num_key_value_heads; ++head) {
          Rotate(qkv + head * head_dim, rows[r]);
        }
        StoreKeysAndValues(rows[r], l, qkv);
      }
    });
    // Of the rows that nobody asked for, the last layer needs the keys and values alone.
    if (l + 1 == config_.num_hidden_layers) {
      kept_.erase(
          std::remove_if(kept_.begin(), kept_.end(), [&](int64_t r) { return !rows[r].is_wanted; }),
          kept_.end());
      count = static_cast<int64_t>(kept_.size());
      for (int64_t i = 0; i < count; ++i) {
        std::memmove(x_.data() + i * width, x_.data() + kept_[i] * width,
                     static_cast<size_t>(width) * sizeof(float));
      }
    }
    Attend(rows, kept_, l);
    Multiply(attended_.data(), count, layer.output, true, x_.data());
    norm(layer.post_attn_norm, normed_.data());
    Multiply(normed_.data(), count, layer.gate_up, false, gate_up_.data());
    ForRows(count, inner_width, [&](int64_t begin, int64_t end) {
      kernels_.silu_product(gate_up_.data() + begin * 2 * inner_width, end - begin, inner_width,
                            inner_.data() + begin * inner_width);
    });
    Multiply(inner_.data(), count, layer.down, true, x_.data());
    Steer(l, count);
  }
  const size_t before = hidden.size();
  hidden.resize(before + static_cast<size_t>(count * width));
  norm(final_norm_, hidden.data() + before);
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
  constexpr int64_t kStride = kHeadPanels * kPanelColumns;
  struct Best {
    float value = -INFINITY;
    int64_t id = -1;

    void Meet(float other, int64_t other_id) {
      if (other > value || (other == value && other_id < id)) {
        value = other;
        id = other_id;
      }
    }
  };
  // Of what every thread has seen.
  std::vector<std::vector<Best>> best(static_cast<size_t>(team_.threads()),
                                      std::vector<Best>(refs.size()));
  Resize(logits_, rows * kStride * team_.threads());
  team_.For(DivideUp(head_.panels(), kHeadPanels), 1, [&](int64_t begin, int64_t end, int thread) {
    float* const logits = logits_.data() + thread * rows * kStride;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * kStride;
      const int64_t columns = std::min(kStride, head_.columns() - first);
      head_.MultiplyPanels(kernels_, hidden, rows, i * kHeadPanels,
                           std::min((i + 1) * kHeadPanels, head_.panels()), false, logits, kStride);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t found = kernels_.arg_max(logits + r * kStride, columns);
        best[thread][r].Meet(logits[r * kStride + found], first + found);
      }
    }
  });
  std::vector<int32_t> ids;
  ids.reserve(refs.size());
  for (size_t r = 0; r < refs.size(); ++r) {
    Best all;
    for (const std::vector<Best>& of_thread : best) {
      all.Meet(of_thread[r].value, of_thread[r].id);
    }
    ids.push_back(std::isfinite(all.value) ? static_cast<int32_t>(all.id) : -1);
  }
  return ids;
}

std::vector<TokenScore> HostRunner::Score(absl::Span<const ScoredRow> rows) {
  std::vector<TokenScore> scores;
  for (size_t first = 0; first < rows.size(); first += kLogitRows) {
    const auto some = rows.subspan(first, kLogitRows);
    const float* const hidden = Gather(some, [](const ScoredRow& row) { return row.row; });
    const auto count = static_cast<int64_t>(some.size());
    Resize(logits_, count * config_.vocab_size);
    Multiply(hidden, count, head_, false, logits_.data());
    sums_.resize(some.size());
    ForRows(count, config_.vocab_size, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        sums_[r] = kernels_.logit_sums(logits_.data() + r * config_.vocab_size, config_.vocab_size);
      }
    });
    for (int64_t r = 0; r < count; ++r) {
      const float* const row = logits_.data() + r * config_.vocab_size;
      const LogitSums& sums = sums_[r];
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
