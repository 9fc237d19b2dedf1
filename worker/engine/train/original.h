// The model as it was loaded, seen through the one that is resident.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/reference_nll_cache.h"

namespace rwku::engine {

// Where the weights as loaded are, and what is known of them. Everything pointed to outlives the
// training.
struct OriginalModel {
  // On the host, in the order of NamedParameters(); null: the model's weights are the original's.
  const std::vector<at::Tensor>* weights = nullptr;
  std::string checksum;                // of the weights, WeightsChecksum
  ReferenceNllCache* cache = nullptr;  // null: nothing is kept
};

// While it lives the model has the original weights. It has no adapters then. Without a second
// model: on a CPU the tensors change places, on a GPU the present weights wait on the host.
class OriginalWeightsScope {
 public:
  OriginalWeightsScope(CausalLm& model, const OriginalModel& original);
  ~OriginalWeightsScope();
  OriginalWeightsScope(const OriginalWeightsScope&) = delete;
  OriginalWeightsScope& operator=(const OriginalWeightsScope&) = delete;

 private:
  std::vector<at::Tensor> parameters_;  // empty where nothing was put aside
  std::vector<at::Tensor> present_;
};

struct ReferenceNlls {
  std::vector<double> values;  // of each sequence
  int computed = 0;
  int cached = 0;
};

// Each sequence passes through the model alone, so that its value depends on nothing else and is
// the same bits whether it was known or not. Call inside an OriginalWeightsScope.
absl::StatusOr<ReferenceNlls> ComputeReferenceNlls(const CausalLm& model,
                                                   const std::vector<TrainingSequence>& sequences,
                                                   const OriginalModel& original,
                                                   const CancelToken& cancel);

// What `kind` names of each sequence that `is_wanted`, on the host; undefined of the others. Call
// inside an OriginalWeightsScope.
absl::StatusOr<std::vector<at::Tensor>> ComputeReferenceStates(
    ReferenceKind kind, const CausalLm& model, const std::vector<TrainingSequence>& sequences,
    const std::vector<bool>& is_wanted, int layer, const CancelToken& cancel);

}  // namespace rwku::engine
