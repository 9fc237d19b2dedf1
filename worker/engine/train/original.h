// The model as it was loaded, seen through the one that is resident.
#pragma once

#include <set>
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
  // On the host, in the order of NamedParameters(), of the dtypes that the file has; null: the
  // model's weights are the original's.
  const std::vector<at::Tensor>* weights = nullptr;
  std::string checksum;                // of the weights, WeightsChecksum
  ReferenceNllCache* cache = nullptr;  // null: nothing is kept
};

// While it lives the model has the original weights in place of those that have `changed`. It has
// no adapters then. The present weights stay where they are, if the device has room for both; else
// they wait on the host.
class OriginalWeightsScope {
 public:
  OriginalWeightsScope(CausalLm& model, const OriginalModel& original,
                       const std::set<std::string>& changed);
  // Puts the present weights back if PutBack() has not. An error is logged: the model's weights are
  // undefined then, as whatever left without PutBack() leaves them.
  ~OriginalWeightsScope();
  OriginalWeightsScope(const OriginalWeightsScope&) = delete;
  OriginalWeightsScope& operator=(const OriginalWeightsScope&) = delete;

  // Throws torch's exceptions.
  void PutBack();

 private:
  struct Exchanged {
    at::Tensor parameter;
    at::Tensor present;  // on its device, or on the host
  };

  std::vector<Exchanged> exchanged_;
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
