// Stages of a check, one after another, a JSON line each.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include <nlohmann/json.hpp>

namespace rwku::gpu_check {

// What a stage measured, in the order of its line.
using Figures = nlohmann::ordered_json;

struct Stage {
  std::string name;
  // Why it does not run here; empty: it runs.
  std::string skipped;
  // Adds to the figures. Torch's exceptions may leave it. Figures of a stage that fails are written
  // as far as it got.
  std::function<absl::Status(Figures& figures)> run;
};

// Runs all stages, those after a failed one too, and writes after each
//   {"stage": NAME, "ok": true, "seconds": S, FIGURES...}
// with "error" where it failed and "skipped" where it did not run. At the end a line of the stage
// "all" with the numbers of stages. Whether none failed.
bool RunStages(const std::vector<Stage>& stages, std::ostream& out);

}  // namespace rwku::gpu_check
