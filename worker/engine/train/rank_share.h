// One rank's place in the training of a gang, or of one rank alone.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"
#include "worker/engine/parallel/tensor_gang.h"
#include "worker/engine/train/original.h"

namespace rwku::engine {

struct RankShare {
  TensorGang* gang = nullptr;  // null: alone
  int rank = 0;
  int world_size = 1;
};

// INVALID_ARGUMENT where the plan's gang is not one of this engine.
absl::StatusOr<RankShare> ShareOfPlan(const TrainingPlan& plan);

// Which rank keeps the optimizer state of each tensor: the largest first, each to the rank that has
// the fewest numbers so far. The same on every rank.
std::vector<int> OwnersOf(absl::Span<const at::Tensor> tensors, int world_size);

// ComputeReferenceNlls of sequences rank, rank + world_size, ... on each rank; all values and the
// sums of both counts on every one. Equal to what one rank computes.
absl::StatusOr<ReferenceNlls> ComputeSharedReferenceNlls(
    const RankShare& share, const CausalLm& model, const std::vector<TrainingSequence>& sequences,
    const OriginalModel& original, const CancelToken& cancel);

// Whether any rank says so; waits for them all, for as long as they take. False where nobody does,
// and for one rank alone what it says.
absl::StatusOr<bool> AnyRank(const RankShare& share, bool says, const CancelToken& cancel);

}  // namespace rwku::engine
