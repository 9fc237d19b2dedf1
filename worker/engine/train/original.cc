#include "worker/engine/train/original.h"

#include <optional>
#include <utility>

#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/computed_in.h"
#include "worker/engine/train/device_memory.h"
#include "worker/engine/train/pack.h"
#include "worker/engine/train/sequence_objectives.h"

namespace rwku::engine {

OriginalWeightsScope::OriginalWeightsScope(CausalLm& model, const OriginalModel& original,
                                           const std::set<std::string>& changed) {
  if (original.weights == nullptr) {
    return;
  }
  const c10::AutoGradMode no_grad(false);
  const std::vector<NamedTensor> parameters = model.NamedParameters();
  RWKU_CHECK(parameters.size() == original.weights->size());
  int64_t bytes = 0;
  for (const auto& [name, parameter] : parameters) {
    bytes += changed.contains(name) ? static_cast<int64_t>(parameter.nbytes()) : 0;
  }
  const bool has_room =
      model.device().is_cpu() || ReadDeviceMemory(model.device()).available_bytes > 2 * bytes;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    if (!changed.contains(name)) {
      continue;
    }
    const at::Tensor kept = (*original.weights)[i].to(parameter.device());
    if (has_room) {
      exchanged_.push_back({parameter, parameter.detach()});
      parameter.set_data(kept.to(parameter.scalar_type()));
    } else {
      exchanged_.push_back({parameter, parameter.detach().cpu()});
      parameter.copy_(kept);
    }
  }
}

OriginalWeightsScope::~OriginalWeightsScope() {
  const absl::Status status = CatchTorch([&] {
    PutBack();
    return absl::OkStatus();
  });
  if (!status.ok()) {
    RWKU_LOG(kError, "the present weights could not be put back").With("error", status.ToString());
  }
}

void OriginalWeightsScope::PutBack() {
  const c10::AutoGradMode no_grad(false);
  for (const Exchanged& one : exchanged_) {
    if (one.present.device() == one.parameter.device()) {
      one.parameter.set_data(one.present);
    } else {
      one.parameter.copy_(one.present);
    }
  }
  exchanged_.clear();
}

absl::StatusOr<ReferenceNlls> ComputeReferenceNlls(const CausalLm& model,
                                                   const std::vector<TrainingSequence>& sequences,
                                                   const OriginalModel& original,
                                                   const CancelToken& cancel) {
  const std::string computed_in = ComputedIn(model.device(), model.compute_dtype());
  ReferenceNllCache only_here;
  ReferenceNllCache& cache = original.cache == nullptr ? only_here : *original.cache;
  cache.Open(original.checksum);
  ReferenceNlls result;
  std::vector<ReferenceNllCache::Entry> fresh;
  std::vector<size_t> places;  // of the fresh ones among all
  std::vector<at::Tensor> computed;
  for (const TrainingSequence& sequence : sequences) {
    std::string key = ReferenceNllCache::Key(original.checksum, computed_in, sequence);
    if (const std::optional<double> known = cache.Find(key); known.has_value()) {
      ++result.cached;
      result.values.push_back(*known);
      continue;
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    ++result.computed;
    places.push_back(result.values.size());
    result.values.push_back(0);
    computed.push_back(SequenceNll(model, PackSequences({&sequence}, model.device())));
    fresh.emplace_back(std::move(key), 0);
  }
  if (!computed.empty()) {
    // Read at once: the device never waits for the host between two passes.
    const at::Tensor values = at::cat(computed).cpu();
    for (size_t i = 0; i < places.size(); ++i) {
      const double nll = values.const_data_ptr<double>()[i];
      result.values[places[i]] = nll;
      fresh[i].second = nll;
    }
  }
  cache.Insert(original.checksum, fresh);
  return result;
}

absl::StatusOr<std::vector<at::Tensor>> ComputeReferenceStates(
    ReferenceKind kind, const CausalLm& model, const std::vector<TrainingSequence>& sequences,
    const std::vector<bool>& is_wanted, int layer, const CancelToken& cancel) {
  const c10::AutoGradMode no_grad(false);
  std::vector<at::Tensor> states(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (!is_wanted[i]) {
      continue;
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const at::Tensor found =
        StatesOf(kind, model, PackSequences({&sequences[i]}, model.device()), layer);
    // The head takes no wider ones.
    states[i] =
        (kind == ReferenceKind::kLayerStates ? found : found.to(model.compute_dtype())).cpu();
  }
  return states;
}

}  // namespace rwku::engine
