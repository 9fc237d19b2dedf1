// What every attempt begins with: the model with its original weights, and targets of the dataset.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "worker/engine/engine.h"
#include "worker/job/attempt.h"

namespace rwku::job {

// Loads the model in `folder` (free if it is resident), puts the original weights back and proves
// it by their checksum. Notes loads and checksums in `result`. INTERNAL names the model of `spec`
// and both checksums; after a failed restore the next load reads the disk. Errors of the engine
// come through.
absl::StatusOr<engine::ModelInfo> LoadOriginal(const AttemptSpec& spec,
                                               const std::filesystem::path& folder,
                                               engine::Engine& engine, const CancelToken& cancel,
                                               AttemptResult* result);

// The target of `data` called wanted.name. FAILED_PRECONDITION, naming the dataset of `spec`, where
// it has another number than the job says (0 = not checked).
absl::StatusOr<const dataset::TargetInfo*> FindJobTarget(const dataset::Dataset& data,
                                                         const AttemptSpec& spec,
                                                         const AttemptTarget& wanted);

}  // namespace rwku::job
