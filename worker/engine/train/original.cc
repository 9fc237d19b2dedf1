#include "worker/engine/train/original.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>

#include "base/check.h"
#include "base/status_macros.h"
#include "worker/engine/train/pack.h"
#include "worker/engine/train/sequence_objectives.h"

namespace rwku::engine {

OriginalWeightsScope::OriginalWeightsScope(CausalLm& model, const OriginalModel& original) {
  if (original.weights == nullptr) {
    return;
  }
  const c10::AutoGradMode no_grad(false);
  for (const auto& [name, tensor] : model.NamedParameters()) {
    parameters_.push_back(tensor);
  }
  RWKU_CHECK(parameters_.size() == original.weights->size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& kept = (*original.weights)[i];
    if (model.device().is_cpu()) {
      present_.push_back(parameters_[i].detach());
      parameters_[i].set_data(kept);
    } else {
      present_.push_back(parameters_[i].detach().cpu());
      parameters_[i].copy_(kept);
    }
  }
}

OriginalWeightsScope::~OriginalWeightsScope() {
  const c10::AutoGradMode no_grad(false);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].is_cpu()) {
      parameters_[i].set_data(present_[i]);
    } else {
      parameters_[i].copy_(present_[i]);
    }
  }
}

absl::StatusOr<ReferenceNlls> ComputeReferenceNlls(const CausalLm& model,
                                                   const std::vector<TrainingSequence>& sequences,
                                                   const OriginalModel& original,
                                                   const CancelToken& cancel) {
  const std::string computed_in = absl::StrCat(model.device().is_cpu() ? "cpu" : "cuda", " ",
                                               c10::toString(model.compute_dtype()));
  ReferenceNllCache only_here;
  ReferenceNllCache& cache = original.cache == nullptr ? only_here : *original.cache;
  cache.Open(original.checksum);
  ReferenceNlls result;
  std::vector<ReferenceNllCache::Entry> fresh;
  for (const TrainingSequence& sequence : sequences) {
    std::string key = ReferenceNllCache::Key(original.checksum, computed_in, sequence);
    if (const std::optional<double> known = cache.Find(key); known.has_value()) {
      ++result.cached;
      result.values.push_back(*known);
      continue;
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const double nll = SequenceNll(model, PackSequences({&sequence}, model.device())).front();
    ++result.computed;
    result.values.push_back(nll);
    fresh.emplace_back(std::move(key), nll);
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
    states[i] = StatesOf(kind, model, PackSequences({&sequences[i]}, model.device()), layer).cpu();
  }
  return states;
}

}  // namespace rwku::engine
