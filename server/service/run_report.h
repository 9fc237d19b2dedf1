// The tables of runs, computed from their stored predictions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rwku/v1/unlearning.pb.h"

#include "benchmark/report/report.h"
#include "server/coordinator/coordinator.h"
#include "server/service/predictions.h"
#include "server/store/store.h"

namespace rwku::service {

// A run and its jobs, as they are when the report is asked for.
struct RunCopy {
  RunId run;
  std::string spec;  // serialized
  std::vector<JobCopy> jobs;
};
// NOT_FOUND for an unknown run.
absl::StatusOr<RunCopy> CopyRun(const coordinator::View& view, const RunId& run);

// A row for every recipe, and of runs with groups of targets for every group of it, of every run,
// in order, over the last predictions of the jobs that succeeded; a curve for a row that has
// others. They stream through the builder: memory holds their scores only. Reads the store;
// `cancelled` is asked now and then. Notes say which metric versions and word tokenizers are behind
// the figures. DATA_LOSS for what cannot be read.
absl::StatusOr<report::Report> BuildReport(store::Store* store, const std::string& title,
                                           const std::vector<RunCopy>& runs,
                                           const std::function<bool()>& cancelled);

}  // namespace rwku::service
