// Paired comparisons of rows of two runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "benchmark/report/comparison.h"
#include "server/service/run_report.h"
#include "server/store/store.h"

namespace rwku::service {

// Compares the rows of `base_recipe` and `other_recipe`, labels of recipes of `base` and `other`.
// With neither: the rows of every label that both runs have, in the order of `base`; if there is
// none and each run has one recipe, these two. INVALID_ARGUMENT for one label without the other, a
// label that the run does not have, and runs without a pair; else as BuildReport.
absl::StatusOr<std::vector<report::Comparison>> CompareRows(
    store::Store* store, const RunCopy& base, const RunCopy& other, const std::string& base_recipe,
    const std::string& other_recipe, const std::function<bool()>& cancelled);

}  // namespace rwku::service
