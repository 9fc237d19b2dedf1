// The main table of runs, computed from their stored predictions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rwku/v1/report.pb.h"
#include "rwku/v1/unlearning.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/service/predictions.h"
#include "server/store/store.h"

namespace rwku::service {

// A row to be: a recipe of a run, with the jobs whose predictions it averages.
struct ReportRowSource {
  RunId run;
  std::string label;
  int jobs = 0;
  std::vector<PredictionSource> succeeded;
};

// The rows of a run, in the order of its recipes. NOT_FOUND for an unknown run.
absl::StatusOr<std::vector<ReportRowSource>> FindReportRows(const coordinator::View& view,
                                                            const RunId& run);

// Streams the predictions through the builder: memory holds their scores only. Reads the store.
absl::StatusOr<v1::ReportTable> BuildReport(store::Store* store, const std::string& title,
                                            const std::vector<ReportRowSource>& rows);

}  // namespace rwku::service
