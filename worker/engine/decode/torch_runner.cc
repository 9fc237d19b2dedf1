#include "worker/engine/decode/torch_runner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>

#include "base/check.h"
#include "base/status_macros.h"
#include "worker/engine/cuda/logit_statistics.h"
#include "worker/engine/cuda/rotate_and_append.h"
#include "worker/engine/decode/pass_graph.h"
#include "worker/engine/decode/token_score.h"
#include "worker/engine/model/rope.h"
#include "worker/engine/model/to_device.h"

namespace rwku::engine {

namespace {

// Rows whose logits exist at a time.
constexpr size_t kLogitRows = 256;
// Tables of angles grow by at least so many positions.
constexpr int64_t kRotaryStep = 512;

// How many sequences the decode step of `count` is filled up to: the next power of two from 16 on,
// beyond 128 the next multiple of 64.
int64_t StepSize(int64_t count) {
  if (count > 128) {
    return (count + 63) / 64 * 64;
  }
  int64_t size = 16;
  while (size < count) {
    size *= 2;
  }
  return size;
}

class TorchRows final : public Rows {
 public:
  explicit TorchRows(at::Tensor values) : Rows(values.size(0)), values_(std::move(values)) {}

  const at::Tensor& values() const { return values_; }

 private:
  const at::Tensor values_;  // [rows, hidden]
};

const at::Tensor& ValuesOf(const Rows& rows) {
  return static_cast<const TorchRows&>(rows).values();
}

// The last `queries` of `keys` positions: whether each, a row, sees a key, itself and the
// window - 1 before it; all before it where the window is 0.
at::Tensor CausalMask(int64_t queries, int64_t keys, int64_t window, at::Device device) {
  const at::Tensor all =
      at::ones({queries, keys}, at::TensorOptions().dtype(at::kBool).device(device));
  const at::Tensor before = at::tril(all, keys - queries);
  return window > 0 ? at::triu(before, keys - queries + 1 - window) : before;
}

// The arrays one after another, on the host, in pinned memory where `device` copies from that.
at::Tensor OnHost(const std::vector<std::vector<int64_t>>& arrays, at::ScalarType dtype,
                  at::Device device) {
  int64_t total = 0;
  for (const std::vector<int64_t>& array : arrays) {
    total += static_cast<int64_t>(array.size());
  }
  at::Tensor host =
      at::empty({total}, at::TensorOptions().dtype(dtype).pinned_memory(CopiesFromPinned(device)));
  int64_t next = 0;
  for (const std::vector<int64_t>& array : arrays) {
    if (dtype == at::kInt) {
      std::copy(array.begin(), array.end(), host.mutable_data_ptr<int32_t>() + next);
    } else {
      std::copy(array.begin(), array.end(), host.mutable_data_ptr<int64_t>() + next);
    }
    next += static_cast<int64_t>(array.size());
  }
  return host;
}

// The arrays on `device`, by one copy that nobody waits for.
std::vector<at::Tensor> ToDevice(const std::vector<std::vector<int64_t>>& arrays,
                                 at::ScalarType dtype, at::Device device) {
  const at::Tensor all = OnHost(arrays, dtype, device).to(device, /*non_blocking=*/true);
  std::vector<at::Tensor> parts;
  int64_t next = 0;
  for (const std::vector<int64_t>& array : arrays) {
    parts.push_back(all.narrow(0, next, static_cast<int64_t>(array.size())));
    next += static_cast<int64_t>(array.size());
  }
  return parts;
}

}  // namespace

// A range of the arena; the runner moves it.
class TorchKvCache final : public KvCache {
 public:
  TorchKvCache(TorchRunner& runner, int64_t capacity, int64_t begin)
      : KvCache(runner.config(), capacity, capacity), runner_(runner), begin_(begin) {
    runner_.caches_.emplace(begin_, this);
  }

  ~TorchKvCache() override {
    runner_.caches_.erase(begin_);
    runner_.ranges_.Free(begin_);
  }

  int64_t begin() const { return begin_; }
  void set_begin(int64_t begin) { begin_ = begin; }

 private:
  TorchRunner& runner_;
  int64_t begin_;
};

// A decode step of one size. Its tensors stay where they are, as a recorded pass wants it.
struct TorchRunner::DecodeStep {
  Batch batch;
  at::Tensor wide;    // [3 x size] int64: tokens, angles and places of the batch
  at::Tensor narrow;  // [2 x size + 1] int32: its begins and used
  std::unique_ptr<PassGraph> graph;
};

TorchRunner::TorchRunner(const CausalLm& model, LayerVectors steering, int64_t cache_bytes)
    : model_(model),
      device_(model.device()),
      dtype_(model.compute_dtype()),
      position_bytes_(model.config().num_hidden_layers * 2 * model.config().num_key_value_heads *
                      model.config().head_dim * static_cast<int64_t>(c10::elementSize(dtype_))),
      ranges_(cache_bytes / position_bytes_) {
  RWKU_CHECK(steering.empty() ||
             static_cast<int64_t>(steering.size()) == config().num_hidden_layers);
  for (const std::vector<float>& vector : steering) {
    RWKU_CHECK(vector.empty() || static_cast<int64_t>(vector.size()) == config().hidden_size);
    steering_.push_back(vector.empty() ? at::Tensor()
                                       : at::tensor(vector, at::kFloat).to(device_, dtype_));
  }
}

TorchRunner::~TorchRunner() { RWKU_CHECK(caches_.empty()); }

void TorchRunner::MakeArena() {
  // The last position belongs to nobody: what fills up a decode step reads it.
  arena_ = at::empty({config().num_hidden_layers, 2, ranges_.size() + 1,
                      config().num_key_value_heads, config().head_dim},
                     at::TensorOptions().dtype(dtype_).device(device_));
}

std::unique_ptr<KvCache> TorchRunner::NewCache(int64_t capacity) {
  if (!arena_.defined()) {
    MakeArena();
  }
  std::optional<int64_t> begin = ranges_.Allocate(capacity);
  if (!begin) {
    Compact();
    begin = ranges_.Allocate(capacity);
  }
  RWKU_CHECK(begin.has_value());
  return std::make_unique<TorchKvCache>(*this, capacity, *begin);
}

void TorchRunner::Compact() {
  const at::AutoGradMode no_grad(false);
  std::map<int64_t, TorchKvCache*> moved = caches_;
  for (const KvRanges::Move& move : ranges_.Compact()) {
    TorchKvCache* const cache = caches_.at(move.from);
    if (cache->length() > 0) {
      // A copy in between, as the ranges may overlap.
      const at::Tensor held = arena_.narrow(2, move.from, cache->length()).clone();
      arena_.narrow(2, move.to, cache->length()).copy_(held);
    }
    moved.erase(move.from);
    moved.emplace(move.to, cache);
    cache->set_begin(move.to);
  }
  caches_ = std::move(moved);
}

void TorchRunner::CopyPrefix(const KvCache& from, KvCache& to) {
  const at::AutoGradMode no_grad(false);
  RWKU_CHECK(to.length() == 0 && from.length() <= to.capacity());
  RWKU_CHECK(to.uses_long_rope() == from.uses_long_rope());
  const auto range = [&](const KvCache& cache) {
    return arena_.narrow(2, static_cast<const TorchKvCache&>(cache).begin(), from.length());
  };
  range(to).copy_(range(from));
  to.Advance(from.length());
}

void TorchRunner::ExtendRotary(int64_t positions) {
  if (positions <= rotary_positions_) {
    return;
  }
  rotary_positions_ = (positions + kRotaryStep - 1) / kRotaryStep * kRotaryStep;
  steps_.clear();  // they read the tables of before
  const auto factor = static_cast<float>(RopeAttentionFactor(config()));
  std::vector<float> cos;
  std::vector<float> sin;
  for (const bool is_long : {false, true}) {
    const std::vector<float> frequencies = RopeInverseFrequencies(config(), is_long);
    for (int64_t position = 0; position < rotary_positions_; ++position) {
      for (const float frequency : frequencies) {
        const float angle = static_cast<float>(position) * frequency;
        cos.push_back(std::cos(angle) * factor);
        sin.push_back(std::sin(angle) * factor);
      }
    }
  }
  const auto table = [&](const std::vector<float>& values) {
    return at::tensor(values, at::kFloat)
        .view({2 * rotary_positions_, config().head_dim / 2})
        .to(device_);
  };
  cos_ = table(cos);
  sin_ = table(sin);
}

TorchRunner::Batch TorchRunner::MakeBatch(absl::Span<const CachePiece> pieces) {
  Batch batch;
  int64_t longest = 0;
  for (const CachePiece& piece : pieces) {
    longest = std::max(longest, piece.cache->length() + static_cast<int64_t>(piece.tokens.size()));
  }
  ExtendRotary(longest);
  std::vector<int64_t> tokens;
  std::vector<int64_t> angles;
  std::vector<int64_t> places;
  std::vector<int64_t> wanted;
  batch.host_bounds.push_back(0);
  for (const CachePiece& piece : pieces) {
    auto& cache = static_cast<TorchKvCache&>(*piece.cache);
    const auto count = static_cast<int64_t>(piece.tokens.size());
    RWKU_CHECK(cache.length() + count <= cache.capacity());
    for (int64_t i = 0; i < count; ++i) {
      RWKU_CHECK(piece.tokens[i] >= 0 && piece.tokens[i] < config().vocab_size);
      const int64_t position = cache.length() + i;
      if (i >= static_cast<int64_t>(piece.first_wanted)) {
        wanted.push_back(static_cast<int64_t>(tokens.size()));
      }
      tokens.push_back(piece.tokens[i]);
      angles.push_back(position + (cache.uses_long_rope() ? rotary_positions_ : 0));
      places.push_back(cache.begin() + position);
    }
    cache.Advance(count);
    batch.host_bounds.push_back(static_cast<int64_t>(tokens.size()));
    batch.host_begins.push_back(cache.begin());
    batch.host_used.push_back(cache.length());
    batch.longest_query = std::max(batch.longest_query, count);
    batch.longest_used = std::max(batch.longest_used, cache.length());
  }
  batch.token_count = static_cast<int64_t>(tokens.size());
  batch.wanted_count = static_cast<int64_t>(wanted.size());
  const std::vector<at::Tensor> wide =
      ToDevice({tokens, angles, places, wanted}, at::kLong, device_);
  batch.tokens = wide[0];
  batch.angles = wide[1];
  batch.places = wide[2];
  batch.wanted = wide[3];
  if (device_.is_cuda()) {
    std::vector<int64_t> begins = batch.host_begins;
    begins.push_back(0);
    const std::vector<at::Tensor> narrow =
        ToDevice({batch.host_bounds, begins, batch.host_used}, at::kInt, device_);
    batch.query_bounds = narrow[0];
    batch.begins = narrow[1];
    batch.used = narrow[2];
  }
  return batch;
}

// Attention of every query to its own sequence up to itself; [T, heads * head_dim].
at::Tensor TorchRunner::Attend(const at::Tensor& q, int64_t layer, const Batch& batch) const {
  const at::Tensor keys = arena_.select(0, layer).select(0, 0);  // [positions, kv heads, head_dim]
  const at::Tensor values = arena_.select(0, layer).select(0, 1);
  const int64_t window = config().Window(layer);
  if (device_.is_cuda() && dtype_ != at::kFloat) {
    const int64_t left = window > 0 && window < batch.longest_used ? window - 1 : -1;
    return std::get<0>(at::_flash_attention_forward(
                           q, keys, values, batch.query_bounds, batch.begins, batch.longest_query,
                           batch.longest_used, /*dropout_p=*/0.0, /*is_causal=*/true,
                           /*return_debug_mask=*/false, /*scale=*/std::nullopt,
                           /*window_size_left=*/left, /*window_size_right=*/left < 0 ? -1 : 0,
                           /*seqused_k=*/batch.used))
        .reshape({batch.token_count, -1});
  }
  const bool grouped = config().num_attention_heads != config().num_key_value_heads;
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < batch.host_used.size(); ++i) {
    const int64_t queries = batch.host_bounds[i + 1] - batch.host_bounds[i];
    if (queries == 0) {
      continue;
    }
    // Keys that no query of the piece sees are left out.
    const int64_t used = batch.host_used[i];
    const int64_t first = window > 0 ? std::max(int64_t{0}, used - queries + 1 - window) : 0;
    const int64_t count = used - first;
    // [1, heads, length, head_dim]
    const auto part = [](const at::Tensor& x, int64_t begin, int64_t length) {
      return x.narrow(0, begin, length).transpose(0, 1).unsqueeze(0);
    };
    std::optional<at::Tensor> mask;
    if (queries > 1) {
      mask = CausalMask(queries, count, window, device_);
    }
    outputs.push_back(
        at::scaled_dot_product_attention(part(q, batch.host_bounds[i], queries),
                                         part(keys, batch.host_begins[i] + first, count),
                                         part(values, batch.host_begins[i] + first, count), mask,
                                         0.0, /*is_causal=*/false, std::nullopt, grouped)
            .squeeze(0)
            .transpose(0, 1));
  }
  return at::cat(outputs, 0).reshape({batch.token_count, -1});
}

absl::StatusOr<std::unique_ptr<Rows>> TorchRunner::Forward(absl::Span<const CachePiece> pieces,
                                                           const CancelToken& cancel) {
  const at::AutoGradMode no_grad(false);
  RWKU_RETURN_IF_ERROR(cancel.Check());
  const bool is_step = std::all_of(pieces.begin(), pieces.end(), [](const CachePiece& piece) {
    return piece.tokens.size() == 1 && piece.first_wanted == 0;
  });
  if (is_step && !pieces.empty()) {
    return std::make_unique<TorchRows>(Step(pieces));
  }
  const Batch batch = MakeBatch(pieces);
  if (batch.token_count == 0) {
    return std::make_unique<TorchRows>(
        at::empty({0, config().hidden_size}, at::TensorOptions().dtype(dtype_).device(device_)));
  }
  RWKU_ASSIGN_OR_RETURN(at::Tensor hidden, Pass(batch, cancel));
  return std::make_unique<TorchRows>(std::move(hidden));
}

absl::StatusOr<at::Tensor> TorchRunner::Pass(const Batch& batch, const CancelToken& cancel) const {
  const double eps = config().rms_norm_eps;
  at::Tensor x = at::embedding(model_.embedding, batch.tokens).to(dtype_);
  for (int64_t l = 0; l < config().num_hidden_layers; ++l) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const CausalLmLayer& layer = model_.layers[static_cast<size_t>(l)];
    const auto [q, k, v] = layer.QueriesKeysValues(RmsNorm(x, layer.input_norm, eps), config());
    RotateAndAppend({.q = q,
                     .k = k,
                     .v = v,
                     .positions = batch.angles,
                     .cos = cos_,
                     .sin = sin_,
                     .slots = batch.places,
                     .keys = arena_.select(0, l).select(0, 0),
                     .values = arena_.select(0, l).select(0, 1)});
    at::Tensor attended = Attend(q, l, batch);
    // Of the rows that nobody asked for, the last layer needs the keys and values alone.
    if (l + 1 == config().num_hidden_layers && batch.wanted_count < batch.token_count) {
      attended = attended.index_select(0, batch.wanted);
      x = x.index_select(0, batch.wanted);
    }
    x = x + layer.o_proj.Forward(attended);
    x = x + layer.Mlp(RmsNorm(x, layer.post_attn_norm, eps));
    if (!steering_.empty() && steering_[static_cast<size_t>(l)].defined()) {
      x = x + steering_[static_cast<size_t>(l)];
    }
  }
  return RmsNorm(x, model_.final_norm, eps);
}

at::Tensor TorchRunner::Step(absl::Span<const CachePiece> pieces) {
  int64_t longest = 0;
  for (const CachePiece& piece : pieces) {
    longest = std::max(longest, piece.cache->length() + 1);
  }
  ExtendRotary(longest);
  const auto count = static_cast<int64_t>(pieces.size());
  const int64_t size = StepSize(count);
  std::unique_ptr<DecodeStep>& step = steps_[size];
  if (step == nullptr) {
    step = MakeStep(size);
  }
  Batch& batch = step->batch;
  // What fills the step up are equal sequences of one token, 0, at the position that is nobody's.
  std::vector<int64_t> wide(static_cast<size_t>(3 * size), 0);
  std::fill_n(wide.begin() + 2 * size, size, ranges_.size());
  std::vector<int64_t> narrow(static_cast<size_t>(2 * size + 1), 1);
  std::fill_n(narrow.begin(), size + 1, ranges_.size());
  for (int64_t i = 0; i < count; ++i) {
    const CachePiece& piece = pieces[static_cast<size_t>(i)];
    auto& cache = static_cast<TorchKvCache&>(*piece.cache);
    RWKU_CHECK(cache.length() < cache.capacity());
    RWKU_CHECK(piece.tokens[0] >= 0 && piece.tokens[0] < config().vocab_size);
    wide[i] = piece.tokens[0];
    wide[size + i] = cache.length() + (cache.uses_long_rope() ? rotary_positions_ : 0);
    wide[2 * size + i] = cache.begin() + cache.length();
    cache.Advance(1);
    narrow[i] = cache.begin();
    narrow[size + 1 + i] = cache.length();
  }
  batch.host_begins.assign(narrow.begin(), narrow.begin() + size);
  batch.host_used.assign(narrow.begin() + size + 1, narrow.end());
  step->wide.copy_(OnHost({wide}, at::kLong, device_), /*non_blocking=*/true);
  if (step->narrow.defined()) {
    step->narrow.copy_(OnHost({narrow}, at::kInt, device_), /*non_blocking=*/true);
  }
  const at::Tensor& hidden = step->graph->Run([&] {
    const CancelToken never;
    return *Pass(batch, never);
  });
  return hidden.narrow(0, 0, count).clone();
}

std::unique_ptr<TorchRunner::DecodeStep> TorchRunner::MakeStep(int64_t size) const {
  auto step = std::make_unique<DecodeStep>();
  step->graph = MakePassGraph(device_);
  step->wide = at::empty({3 * size}, at::TensorOptions().dtype(at::kLong).device(device_));
  Batch& batch = step->batch;
  batch.tokens = step->wide.narrow(0, 0, size);
  batch.angles = step->wide.narrow(0, size, size);
  batch.places = step->wide.narrow(0, 2 * size, size);
  batch.host_bounds.resize(static_cast<size_t>(size) + 1);
  std::iota(batch.host_bounds.begin(), batch.host_bounds.end(), 0);
  if (device_.is_cuda()) {
    step->narrow = at::empty({2 * size + 1}, at::TensorOptions().dtype(at::kInt).device(device_));
    batch.begins = step->narrow.narrow(0, 0, size + 1);
    batch.used = step->narrow.narrow(0, size + 1, size);
    batch.query_bounds = ToDevice({batch.host_bounds}, at::kInt, device_)[0];
  }
  batch.longest_query = 1;
  // A recorded pass keeps what it was told: no range is longer than the arena.
  batch.longest_used = ranges_.size();
  batch.token_count = size;
  batch.wanted_count = size;
  return step;
}

std::unique_ptr<Rows> TorchRunner::CopyRow(RowRef row) {
  return std::make_unique<TorchRows>(ValuesOf(*row.rows).narrow(0, row.row, 1).clone());
}

at::Tensor TorchRunner::Gather(absl::Span<const RowRef> rows) const {
  std::vector<at::Tensor> parts;
  size_t i = 0;
  while (i < rows.size()) {
    // Rows that lie together are one part.
    size_t end = i + 1;
    while (end < rows.size() && rows[end].rows == rows[i].rows &&
           rows[end].row == rows[end - 1].row + 1) {
      ++end;
    }
    parts.push_back(ValuesOf(*rows[i].rows).narrow(0, rows[i].row, static_cast<int64_t>(end - i)));
    i = end;
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 0);
}

at::Tensor TorchRunner::LogitsOf(absl::Span<const RowRef> rows) const {
  return model_.Logits(Gather(rows));
}

std::vector<int32_t> TorchRunner::Argmax(absl::Span<const RowRef> rows) {
  const at::AutoGradMode no_grad(false);
  std::vector<at::Tensor> found;
  for (size_t first = 0; first < rows.size(); first += kLogitRows) {
    const at::Tensor logits = LogitsOf(rows.subspan(first, kLogitRows));
    const LogitStatistics statistics = SummarizeLogits(logits);
    const at::Tensor is_finite = statistics.sums.select(-1, 0).isfinite();
    found.push_back(statistics.arg_max.masked_fill(is_finite.logical_not(), -1));
  }
  if (found.empty()) {
    return {};
  }
  const at::Tensor tokens = at::cat(found, 0).to(at::kCPU, at::kInt).contiguous();
  const auto* const data = tokens.const_data_ptr<int32_t>();
  return {data, data + rows.size()};
}

std::vector<TokenScore> TorchRunner::Score(absl::Span<const ScoredRow> rows) {
  const at::AutoGradMode no_grad(false);
  std::vector<TokenScore> scores;
  for (size_t first = 0; first < rows.size(); first += kLogitRows) {
    const auto some = rows.subspan(first, kLogitRows);
    std::vector<RowRef> refs;
    size_t most = 1;
    for (const ScoredRow& row : some) {
      refs.push_back(row.row);
      most = std::max(most, row.tokens.size());
    }
    // [rows, most], filled up with token 0.
    std::vector<int64_t> tokens(some.size() * most, 0);
    for (size_t r = 0; r < some.size(); ++r) {
      std::copy(some[r].tokens.begin(), some[r].tokens.end(),
                tokens.begin() + static_cast<ptrdiff_t>(r * most));
    }
    const at::Tensor labels =
        ToDevice({tokens}, at::kLong, device_)[0].view({-1, static_cast<int64_t>(most)});
    const at::Tensor logits = LogitsOf(refs);
    const LogitStatistics statistics = SummarizeLogits(logits);
    const at::Tensor table = at::cat({statistics.sums, logits.gather(-1, labels).to(at::kFloat),
                                      (labels == statistics.arg_max.unsqueeze(-1)).to(at::kFloat)},
                                     -1)
                                 .cpu()
                                 .contiguous();
    const auto* row = table.const_data_ptr<float>();
    for (const ScoredRow& scored : some) {
      const LogitSums sums{row[0], row[1], row[2], row[3]};
      for (size_t t = 0; t < scored.tokens.size(); ++t) {
        scores.push_back(ScoreOf(sums, row[4 + t], row[4 + most + t] != 0));
      }
      row += table.size(1);
    }
  }
  return scores;
}

std::vector<float> TorchRunner::Logits(absl::Span<const RowRef> rows) {
  const at::AutoGradMode no_grad(false);
  if (rows.empty()) {
    return {};
  }
  const at::Tensor logits = LogitsOf(rows).to(at::kCPU, at::kFloat).contiguous();
  const auto* const data = logits.const_data_ptr<float>();
  return {data, data + logits.numel()};
}

std::vector<float> TorchRunner::ToHost(const Rows& rows) {
  const at::Tensor values = ValuesOf(rows).to(at::kCPU, at::kFloat).contiguous();
  const auto* const data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

}  // namespace rwku::engine
