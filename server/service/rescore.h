// Scores of stored predictions, computed anew without a worker.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"

#include "server/coordinator/coordinator.h"
#include "server/service/catalog.h"
#include "server/service/run_report.h"
#include "server/store/store.h"

namespace rwku::service {

struct RescoreTally {
  int jobs_changed = 0;
  int jobs_unchanged = 0;  // had these scores and this version already
  int64_t predictions = 0;
};

// Computes the scores of every prediction of the run's succeeded jobs with
// evaluate/score_prediction and has what changed stored, one job after another: a job's new scores,
// digest and metric version appear together. Blocks: call it on a pool. CANCELLED between two jobs
// once `cancelled`; NOT_FOUND for a dataset that the server no longer has (it may hold the words'
// parameters); DATA_LOSS for what cannot be read; else what the coordinator answers.
absl::StatusOr<RescoreTally> RescoreRun(coordinator::Coordinator* coordinator, store::Store* store,
                                        const Catalog& catalog, const RunCopy& run,
                                        const std::function<bool()>& cancelled);

}  // namespace rwku::service
