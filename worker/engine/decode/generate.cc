#include "worker/engine/decode/generate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

using evaluate::RequestError;

absl::Status CheckRequest(const ModelConfig& config, const DecodeRequest& request) {
  if (request.max_new_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_new_tokens is ", request.max_new_tokens, "; allowed is 1 or more"));
  }
  return CheckTokens(config, request.prompt);
}

std::vector<CachedSequence> SequencesOf(absl::Span<const DecodeRequest> requests) {
  std::vector<CachedSequence> sequences;
  sequences.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto size = static_cast<int64_t>(requests[i].prompt.size());
    // The last new token is never fed back.
    sequences.push_back({requests[i].prompt, size + requests[i].max_new_tokens - 1, size - 1, i});
  }
  return sequences;
}

// Every prompt keeps its last token, which the first new one comes from.
PrefixPlan PlanOf(absl::Span<const DecodeRequest> requests, bool share_prefixes) {
  if (!share_prefixes) {
    return PlanWithoutSharing(requests.size());
  }
  std::vector<absl::Span<const int32_t>> beginnings;
  beginnings.reserve(requests.size());
  for (const DecodeRequest& request : requests) {
    beginnings.push_back(absl::MakeConstSpan(request.prompt).first(request.prompt.size() - 1));
  }
  return PlanPrefixes(beginnings);
}

class DecodeBatch {
 public:
  DecodeBatch(Runner& runner, absl::Span<const DecodeRequest> requests, TokenChooser& chooser,
              const DecodeOptions& options, const CancelToken& cancel, evaluate::Usage& usage)
      : runner_(runner),
        requests_(requests),
        chooser_(chooser),
        options_(options),
        cancel_(cancel),
        usage_(usage),
        sequences_(SequencesOf(requests)),
        plan_(PlanOf(requests, options.caches.share_prefixes)),
        caches_(runner, sequences_, plan_, options.caches, nullptr, usage),
        outputs_(requests.size()) {}

  bool done() const { return caches_.done() && active_.empty(); }
  size_t finished() const { return requests_.size() - waiting_ - active_.size(); }

  // Takes waiting prompts in while there is room for them, and gives each its first new token.
  absl::Status Admit() {
    while (!caches_.done() && active_.size() < static_cast<size_t>(options_.max_batch)) {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      RWKU_ASSIGN_OR_RETURN(
          std::vector<StartedSequence> started,
          caches_.Take(static_cast<size_t>(options_.max_batch) - active_.size(), cancel_));
      if (started.empty()) {
        return absl::OkStatus();
      }
      waiting_ -= started.size();
      std::vector<CachePiece> pieces;
      pieces.reserve(started.size());
      for (const StartedSequence& sequence : started) {
        const absl::Span<const int32_t> tokens =
            sequences_[sequence.sequence].tokens.subspan(sequence.cache->length());
        pieces.push_back({sequence.cache.get(), tokens, tokens.size() - 1});
      }
      RWKU_RETURN_IF_ERROR(Continue(pieces, started));
      std::move(started.begin(), started.end(), std::back_inserter(active_));
    }
    return absl::OkStatus();
  }

  // One new token for every sequence in the batch; none where all that were admitted have ended.
  absl::Status Step() {
    if (active_.empty()) {
      return absl::OkStatus();
    }
    std::vector<CachePiece> pieces;
    pieces.reserve(active_.size());
    for (const StartedSequence& active : active_) {
      pieces.push_back(
          {active.cache.get(), absl::MakeConstSpan(outputs_[active.sequence]).last(1), 0});
    }
    return Continue(pieces, active_);
  }

  std::vector<std::vector<int32_t>> TakeOutputs() { return std::move(outputs_); }

 private:
  bool HasEnded(const StartedSequence& sequence) const {
    const DecodeRequest& request = requests_[sequence.sequence];
    const std::vector<int32_t>& output = outputs_[sequence.sequence];
    return output.size() == static_cast<size_t>(request.max_new_tokens) ||
           std::count(request.end_ids.begin(), request.end_ids.end(), output.back()) > 0;
  }

  // `pieces` are those of `sequences`; the ones that end are removed.
  absl::Status Continue(absl::Span<const CachePiece> pieces,
                        std::vector<StartedSequence>& sequences) {
    std::vector<size_t> numbers;
    numbers.reserve(sequences.size());
    for (const StartedSequence& sequence : sequences) {
      numbers.push_back(sequence.sequence);
    }
    RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner_.Forward(pieces, cancel_));
    const std::vector<int32_t> tokens = chooser_.Choose(runner_, AllOf(*rows), numbers);
    for (size_t i = 0; i < sequences.size(); ++i) {
      std::vector<int32_t>& output = outputs_[sequences[i].sequence];
      if (tokens[i] < 0) {
        return RequestError(
            sequences[i].sequence,
            absl::DataLossError(absl::StrCat("new token ", output.size() + 1,
                                             " has no finite logit: the weights have diverged")));
      }
      output.push_back(tokens[i]);
    }
    usage_.generated_tokens += static_cast<int64_t>(sequences.size());
    for (StartedSequence& sequence : sequences) {
      if (HasEnded(sequence)) {
        caches_.GiveBack(sequence);
      }
    }
    sequences.erase(std::remove_if(sequences.begin(), sequences.end(),
                                   [](const StartedSequence& s) { return s.cache == nullptr; }),
                    sequences.end());
    return absl::OkStatus();
  }

  Runner& runner_;
  const absl::Span<const DecodeRequest> requests_;
  TokenChooser& chooser_;
  const DecodeOptions& options_;
  const CancelToken& cancel_;
  evaluate::Usage& usage_;
  const std::vector<CachedSequence> sequences_;
  const PrefixPlan plan_;
  PrefixCaches caches_;
  std::vector<std::vector<int32_t>> outputs_;
  std::vector<StartedSequence> active_;
  size_t waiting_ = requests_.size();
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateTokens(
    Runner& runner, absl::Span<const DecodeRequest> requests, TokenChooser& chooser,
    const DecodeOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage) {
  if (options.max_batch < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_batch is ", options.max_batch, "; allowed is 1 or more"));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const absl::Status status = CheckRequest(runner.config(), requests[i]);
    if (!status.ok()) {
      return RequestError(i, status);
    }
  }
  return CatchTorch([&]() -> absl::StatusOr<std::vector<std::vector<int32_t>>> {
    DecodeBatch batch(runner, requests, chooser, options, cancel, usage);
    size_t reported = 0;
    while (!batch.done()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      RWKU_RETURN_IF_ERROR(batch.Admit());
      RWKU_RETURN_IF_ERROR(batch.Step());
      if (progress && batch.finished() > reported) {
        reported = batch.finished();
        progress(reported, requests.size());
      }
    }
    return batch.TakeOutputs();
  });
}

}  // namespace rwku::engine
