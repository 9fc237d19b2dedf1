// A Runner that passes everything on to another, for tests that watch or refuse some of it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

class ForwardingRunner : public Runner {
 public:
  explicit ForwardingRunner(Runner& inner) : inner_(inner) {}

  const ModelConfig& config() const override { return inner_.config(); }
  int64_t CacheBytes(int64_t capacity) const override { return inner_.CacheBytes(capacity); }
  std::unique_ptr<KvCache> NewCache(int64_t capacity) override { return inner_.NewCache(capacity); }
  void CopyPrefix(const KvCache& from, KvCache& to) override { inner_.CopyPrefix(from, to); }
  absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                const CancelToken& cancel) override {
    return inner_.Forward(pieces, cancel);
  }
  std::unique_ptr<Rows> CopyRow(RowRef row) override { return inner_.CopyRow(row); }
  std::vector<int32_t> Argmax(absl::Span<const RowRef> rows) override {
    return inner_.Argmax(rows);
  }
  std::vector<TokenScore> Score(absl::Span<const ScoredRow> rows) override {
    return inner_.Score(rows);
  }
  std::vector<float> Logits(absl::Span<const RowRef> rows) override { return inner_.Logits(rows); }
  std::vector<float> ToHost(const Rows& rows) override { return inner_.ToHost(rows); }

 private:
  Runner& inner_;
};

}  // namespace rwku::engine
