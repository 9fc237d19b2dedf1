#include "worker/engine/decode/greedy.h"

namespace rwku::engine {
namespace {

class MostLikely final : public TokenChooser {
 public:
  std::vector<int32_t> Choose(Runner& runner, absl::Span<const RowRef> rows,
                              absl::Span<const size_t> /*requests*/) override {
    return runner.Argmax(rows);
  }
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateGreedy(
    Runner& runner, absl::Span<const GreedyRequest> requests, const GreedyOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel, evaluate::Usage& usage) {
  MostLikely chooser;
  return GenerateTokens(runner, requests, chooser, options, progress, cancel, usage);
}

}  // namespace rwku::engine
