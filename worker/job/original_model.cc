#include "worker/job/original_model.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::job {
namespace {

absl::Status Restore(const AttemptSpec& spec, engine::Engine& engine, AttemptResult* result) {
  RWKU_ASSIGN_OR_RETURN(result->restored_weights_checksum, engine.Restore());
  if (result->restored_weights_checksum != result->original_weights_checksum) {
    return absl::InternalError(
        absl::StrCat("model \"", spec.model, "\": the restored weights have the checksum ",
                     result->restored_weights_checksum, ", the original ones ",
                     result->original_weights_checksum, "; the next attempt loads the model anew"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<engine::ModelInfo> LoadOriginal(const AttemptSpec& spec,
                                               const std::filesystem::path& folder,
                                               engine::Engine& engine, const CancelToken& cancel,
                                               AttemptResult* result) {
  RWKU_ASSIGN_OR_RETURN(engine::ModelInfo model, engine.Load(folder, cancel));
  result->model_loads = model.was_resident ? 0 : 1;
  result->original_weights_checksum = model.weights_checksum;
  result->compute_dtype = model.compute_dtype;
  result->device = model.device;
  if (absl::Status status = Restore(spec, engine, result); !status.ok()) {
    engine.Unload();  // what is in memory is good for no attempt
    return status;
  }
  return model;
}

absl::StatusOr<const dataset::TargetInfo*> FindJobTarget(const dataset::Dataset& data,
                                                         const AttemptSpec& spec,
                                                         const AttemptTarget& wanted) {
  RWKU_ASSIGN_OR_RETURN(const dataset::TargetInfo* target, data.FindTarget(wanted.name));
  if (wanted.number != 0 && wanted.number != target->number) {
    return absl::FailedPreconditionError(
        absl::StrCat("target \"", wanted.name, "\": number ", target->number, " in dataset \"",
                     spec.dataset, "\" of this worker, ", wanted.number, " in the job"));
  }
  return target;
}

}  // namespace rwku::job
