#include "worker/engine/decode/decoding.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::engine {

namespace {

using evaluate::RequestError;

absl::Status CheckSampling(const Sampling& sampling) {
  if (!(sampling.temperature > 0) || !std::isfinite(sampling.temperature)) {
    return absl::InvalidArgumentError(
        absl::StrCat("temperature is ", sampling.temperature, "; allowed is above 0"));
  }
  if (!(sampling.top_p > 0) || sampling.top_p > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_p is ", sampling.top_p, "; allowed is above 0, at most 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const ModelConfig& config, const DecodeRequest& request) {
  if (request.max_new_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_new_tokens is ", request.max_new_tokens, "; allowed is 1 or more"));
  }
  if (request.sampling.has_value()) {
    RWKU_RETURN_IF_ERROR(CheckSampling(*request.sampling));
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
  std::vector<absl::Span<const int32_t>> beginnings;
  std::vector<int64_t> limits;
  beginnings.reserve(requests.size());
  limits.reserve(requests.size());
  for (const DecodeRequest& request : requests) {
    beginnings.push_back(absl::MakeConstSpan(request.prompt).first(request.prompt.size() - 1));
    limits.push_back(request.max_new_tokens);
  }
  PrefixPlan plan = share_prefixes ? PlanPrefixes(beginnings) : PlanWithoutSharing(requests.size());
  PutLargestFirst(limits, plan);
  return plan;
}

}  // namespace

absl::Status CheckDecode(const ModelConfig& config, absl::Span<const DecodeRequest> requests,
                         const DecodeOptions& options) {
  if (options.max_batch < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_batch is ", options.max_batch, "; allowed is 1 or more"));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const absl::Status status = CheckRequest(config, requests[i]);
    if (!status.ok()) {
      return RequestError(i, status);
    }
  }
  return absl::OkStatus();
}

Decoding::Decoding(Runner& runner, absl::Span<const DecodeRequest> requests,
                   const DecodeOptions& options, KvBudget& budget, evaluate::Usage& usage)
    : runner_(runner),
      requests_(requests),
      max_batch_(static_cast<size_t>(options.max_batch)),
      usage_(usage),
      sequences_(SequencesOf(requests)),
      plan_(PlanOf(requests, options.caches.share_prefixes)),
      caches_(runner, sequences_, plan_, options.caches.pass_tokens, budget, nullptr, usage),
      draws_(requests.size()),
      outputs_(requests.size()) {
  for (size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].sampling.has_value()) {
      draws_[i].emplace(requests[i].sampling->seed, requests[i].sampling->stream);
    }
  }
}

absl::Status Decoding::Admit(const CancelToken& cancel) {
  while (has_waiting() && active_.size() < max_batch_) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_ASSIGN_OR_RETURN(std::vector<StartedSequence> started,
                          caches_.Take(max_batch_ - active_.size(), cancel));
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
    RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner_.Forward(pieces, cancel));
    RWKU_RETURN_IF_ERROR(Continue(AllOf(*rows), started));
    std::move(started.begin(), started.end(), std::back_inserter(active_));
  }
  return absl::OkStatus();
}

void Decoding::AddPieces(std::vector<CachePiece>& pieces) const {
  for (const StartedSequence& active : active_) {
    pieces.push_back(
        {active.cache.get(), absl::MakeConstSpan(outputs_[active.sequence]).last(1), 0});
  }
}

absl::Status Decoding::TakeRows(absl::Span<const RowRef> rows) { return Continue(rows, active_); }

bool Decoding::HasEnded(const StartedSequence& sequence) const {
  const DecodeRequest& request = requests_[sequence.sequence];
  const std::vector<int32_t>& output = outputs_[sequence.sequence];
  return output.size() == static_cast<size_t>(request.max_new_tokens) ||
         std::count(request.end_ids.begin(), request.end_ids.end(), output.back()) > 0;
}

// The next token of every sequence; -1 where there is none because the largest logit is not finite.
std::vector<int32_t> Decoding::Choose(absl::Span<const RowRef> rows,
                                      absl::Span<const StartedSequence> sequences) {
  std::vector<RowRef> greedy;
  std::vector<RowRef> sampled;
  std::vector<Draw> draws;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const size_t request = sequences[i].sequence;
    if (std::optional<Random>& random = draws_[request]; random.has_value()) {
      const Sampling& sampling = *requests_[request].sampling;
      sampled.push_back(rows[i]);
      draws.push_back({sampling.temperature, sampling.top_p, random->Uniform()});
    } else {
      greedy.push_back(rows[i]);
    }
  }
  const std::vector<int32_t> most_likely =
      greedy.empty() ? std::vector<int32_t>() : runner_.Argmax(greedy);
  const std::vector<int32_t> drawn =
      sampled.empty() ? std::vector<int32_t>() : runner_.Sample(sampled, draws);
  auto next_greedy = most_likely.begin();
  auto next_drawn = drawn.begin();
  std::vector<int32_t> tokens;
  tokens.reserve(sequences.size());
  for (const StartedSequence& sequence : sequences) {
    tokens.push_back(draws_[sequence.sequence].has_value() ? *next_drawn++ : *next_greedy++);
  }
  return tokens;
}

// `rows` are those of `sequences`; the ones that end are removed.
absl::Status Decoding::Continue(absl::Span<const RowRef> rows,
                                std::vector<StartedSequence>& sequences) {
  RWKU_CHECK(rows.size() == sequences.size());
  const std::vector<int32_t> tokens = Choose(rows, sequences);
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

}  // namespace rwku::engine
