#include "worker/engine/decode/sample.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/random.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::engine {
namespace {

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

class Sampled final : public TokenChooser {
 public:
  explicit Sampled(absl::Span<const Sampling> samplings) : samplings_(samplings) {
    draws_.reserve(samplings.size());
    for (const Sampling& sampling : samplings) {
      draws_.emplace_back(sampling.seed, sampling.stream);
    }
  }

  std::vector<int32_t> Choose(Runner& runner, absl::Span<const RowRef> rows,
                              absl::Span<const size_t> requests) override {
    std::vector<Draw> draws;
    draws.reserve(requests.size());
    for (const size_t request : requests) {
      const Sampling& sampling = samplings_[request];
      draws.push_back({sampling.temperature, sampling.top_p, draws_[request].Uniform()});
    }
    return runner.Sample(rows, draws);
  }

 private:
  const absl::Span<const Sampling> samplings_;
  std::vector<Random> draws_;  // of each request; a position takes one draw
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateSampled(
    Runner& runner, absl::Span<const DecodeRequest> requests, absl::Span<const Sampling> samplings,
    const DecodeOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage) {
  if (samplings.size() != requests.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("found ", samplings.size(), " samplings for ", requests.size(), " requests"));
  }
  for (size_t i = 0; i < samplings.size(); ++i) {
    if (const absl::Status status = CheckSampling(samplings[i]); !status.ok()) {
      return evaluate::RequestError(i, status);
    }
  }
  Sampled chooser(samplings);
  return GenerateTokens(runner, requests, chooser, options, progress, cancel, usage);
}

}  // namespace rwku::engine
