#include "worker/engine/decode/generate.h"

#include <memory>

#include "base/status_macros.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateTokens(
    Runner& runner, absl::Span<const DecodeRequest> requests, const DecodeOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel, evaluate::Usage& usage) {
  RWKU_RETURN_IF_ERROR(CheckDecode(runner.config(), requests, options));
  return CatchTorch([&]() -> absl::StatusOr<std::vector<std::vector<int32_t>>> {
    KvBudget budget(options.caches.bytes);
    Decoding decoding(runner, requests, options, budget, usage);
    size_t reported = 0;
    while (!decoding.done()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      RWKU_RETURN_IF_ERROR(decoding.Admit(cancel));
      // None where all that were admitted have ended with their first token.
      if (decoding.active() > 0) {
        std::vector<CachePiece> pieces;
        decoding.AddPieces(pieces);
        RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner.Forward(pieces, cancel));
        RWKU_RETURN_IF_ERROR(decoding.TakeRows(AllOf(*rows)));
      }
      if (progress && decoding.finished() > reported) {
        reported = decoding.finished();
        progress(reported, requests.size());
      }
    }
    return decoding.TakeOutputs();
  });
}

}  // namespace rwku::engine
