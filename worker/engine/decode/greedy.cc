#include "worker/engine/decode/greedy.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

// A sequence in the batch.
struct Active {
  size_t prompt = 0;
  int64_t cache_bytes = 0;
  std::unique_ptr<KvCache> cache;
  absl::Span<const int32_t> pending;  // tokens that the cache does not hold yet
};

absl::Status CheckPrompts(const ModelConfig& config,
                          absl::Span<const std::vector<int32_t>> prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) {
      return absl::InvalidArgumentError(absl::StrCat("prompt ", i, " has no tokens"));
    }
    for (const int32_t id : prompts[i]) {
      if (id < 0 || id >= config.vocab_size) {
        return absl::InvalidArgumentError(absl::StrCat(
            "prompt ", i, " has token id ", id, "; allowed is 0 to ", config.vocab_size - 1));
      }
    }
  }
  return absl::OkStatus();
}

class GreedyBatch {
 public:
  GreedyBatch(CpuRunner& runner, absl::Span<const std::vector<int32_t>> prompts,
              const GreedyOptions& options)
      : runner_(runner), prompts_(prompts), options_(options), outputs_(prompts.size()) {
    for (std::vector<int32_t>& output : outputs_) {
      // Never reallocated: pending spans point into it.
      output.reserve(static_cast<size_t>(options.max_new_tokens));
    }
  }

  bool done() const { return next_ == prompts_.size() && active_.empty(); }
  size_t finished() const { return finished_; }

  // Takes waiting prompts in while there is room for them.
  absl::Status Admit() {
    while (next_ < prompts_.size() && active_.size() < static_cast<size_t>(options_.max_batch)) {
      // The last new token is never fed back.
      const int64_t capacity =
          static_cast<int64_t>(prompts_[next_].size()) + options_.max_new_tokens - 1;
      const int64_t bytes = KvCache::Bytes(runner_.config(), capacity);
      if (bytes_in_use_ + bytes > options_.cache_bytes) {
        if (!active_.empty()) {
          return absl::OkStatus();
        }
        return absl::ResourceExhaustedError(absl::StrCat("prompt ", next_, " needs ", bytes,
                                                         " bytes of key-value cache; allowed is ",
                                                         options_.cache_bytes));
      }
      active_.push_back({next_, bytes, std::make_unique<KvCache>(runner_.config(), capacity),
                         absl::MakeConstSpan(prompts_[next_])});
      bytes_in_use_ += bytes;
      ++next_;
    }
    return absl::OkStatus();
  }

  // One new token for every sequence in the batch; prompts just taken in are read on the way.
  absl::Status Step() {
    std::vector<CachePiece> pieces;
    pieces.reserve(active_.size());
    for (const Active& active : active_) {
      pieces.push_back({active.cache.get(), active.pending});
    }
    const std::vector<int32_t> tokens =
        runner_.Argmax(runner_.Forward(pieces, CpuRunner::Rows::kLastOfPiece));
    for (size_t i = 0; i < active_.size(); ++i) {
      std::vector<int32_t>& output = outputs_[active_[i].prompt];
      if (tokens[i] < 0) {
        return absl::DataLossError(absl::StrCat("prompt ", active_[i].prompt, ": new token ",
                                                output.size() + 1,
                                                " has no finite logit: the weights have diverged"));
      }
      output.push_back(tokens[i]);
      active_[i].pending = absl::MakeConstSpan(output).last(1);
    }
    const auto ended = [&](const Active& active) {
      const std::vector<int32_t>& output = outputs_[active.prompt];
      return output.size() == static_cast<size_t>(options_.max_new_tokens) ||
             std::count(options_.end_ids.begin(), options_.end_ids.end(), output.back()) > 0;
    };
    for (const Active& active : active_) {
      if (ended(active)) {
        bytes_in_use_ -= active.cache_bytes;
        ++finished_;
      }
    }
    active_.erase(std::remove_if(active_.begin(), active_.end(), ended), active_.end());
    return absl::OkStatus();
  }

  std::vector<std::vector<int32_t>> TakeOutputs() { return std::move(outputs_); }

 private:
  CpuRunner& runner_;
  const absl::Span<const std::vector<int32_t>> prompts_;
  const GreedyOptions& options_;
  std::vector<std::vector<int32_t>> outputs_;
  std::vector<Active> active_;
  size_t next_ = 0;  // first waiting prompt
  size_t finished_ = 0;
  int64_t bytes_in_use_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateGreedy(
    CpuRunner& runner, absl::Span<const std::vector<int32_t>> prompts, const GreedyOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(CheckPrompts(runner.config(), prompts));
  if (options.max_new_tokens < 1 || options.max_batch < 1) {
    return absl::InvalidArgumentError(absl::StrCat("max_new_tokens is ", options.max_new_tokens,
                                                   " and max_batch ", options.max_batch,
                                                   "; allowed is 1 or more"));
  }
  return CatchTorch([&]() -> absl::StatusOr<std::vector<std::vector<int32_t>>> {
    GreedyBatch batch(runner, prompts, options);
    size_t reported = 0;
    while (!batch.done()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      RWKU_RETURN_IF_ERROR(batch.Admit());
      RWKU_RETURN_IF_ERROR(batch.Step());
      if (progress && batch.finished() > reported) {
        reported = batch.finished();
        progress(reported, prompts.size());
      }
    }
    return batch.TakeOutputs();
  });
}

}  // namespace rwku::engine
