#include "worker/engine/decode/runner.h"

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "worker/engine/decode/sampler.h"
#include "worker/engine/model/rope.h"

namespace rwku::engine {

namespace {

// Rows whose logits are on the host at a time.
constexpr size_t kSampledRows = 32;

}  // namespace

KvCache::KvCache(const ModelConfig& config, int64_t asked, int64_t capacity)
    : capacity_(capacity), uses_long_rope_(UsesLongRope(config, asked)) {
  RWKU_CHECK(capacity >= asked);
}

std::vector<RowRef> AllOf(const Rows& rows) {
  std::vector<RowRef> refs;
  refs.reserve(static_cast<size_t>(rows.size()));
  for (int64_t row = 0; row < rows.size(); ++row) {
    refs.push_back({&rows, row});
  }
  return refs;
}

absl::Status CheckTokens(const ModelConfig& config, absl::Span<const int32_t> tokens) {
  if (tokens.empty()) {
    return absl::InvalidArgumentError("no tokens; at least one is needed");
  }
  for (const int32_t id : tokens) {
    if (id < 0 || id >= config.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, "; allowed is 0 to ", config.vocab_size - 1));
    }
  }
  return absl::OkStatus();
}

std::vector<int32_t> Runner::Sample(absl::Span<const RowRef> rows, absl::Span<const Draw> draws) {
  RWKU_CHECK(rows.size() == draws.size());
  const auto vocabulary = static_cast<size_t>(config().vocab_size);
  std::vector<int32_t> tokens;
  tokens.reserve(rows.size());
  while (tokens.size() < rows.size()) {
    const size_t first = tokens.size();
    const auto some = rows.subspan(first, kSampledRows);
    const std::vector<float> logits = Logits(some);
    for (size_t i = 0; i < some.size(); ++i) {
      const Draw& draw = draws[first + i];
      tokens.push_back(SampleToken(absl::MakeConstSpan(logits).subspan(i * vocabulary, vocabulary),
                                   draw.temperature, draw.top_p, draw.uniform));
    }
  }
  return tokens;
}

}  // namespace rwku::engine
