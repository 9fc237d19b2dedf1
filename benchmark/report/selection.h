// Which row of a table forgets best at what forgetting may cost, and which rows no other beats.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace rwku::report {

struct ReportTable;

// Smallest shares of the original model that must be left.
struct SelectionBudget {
  double neighbor = 0.9;  // of neighbor "All"
  double utility = 0.9;   // of utility: the mean over its columns of each one's share
};

// A row as a candidate.
struct SelectionArm {
  std::string label;
  std::string run;                 // "runs/{run}"
  std::optional<double> forget;    // "All" of the row; nullopt = missing
  std::optional<double> neighbor;  // "All" of the row
  std::optional<double> neighbor_share;
  std::optional<double> utility_share;
  bool on_front = false;
  bool within_budget = false;
  bool selected = false;
  std::string excluded;  // why it is no candidate; empty = it is one
};

struct Selection {
  SelectionBudget budget;
  std::vector<SelectionArm> arms;  // in the order of the table
};

// Every row but those of the original model is an arm. Arms compete with those of the same model
// and group of targets; one of each such field is selected, if any is within the budget.
//
//   shares    of the original's row of the same run, else of any run; without one, of the best
//             figure that the field's rows have in the column
//   excluded  an arm with jobs that collapsed or have no result, without a forget figure, or
//             without a share that others of its field have. A share that no arm has (its probes
//             were not evaluated) counts for nothing
//   front     no other candidate is at least as good in forget (lower), neighbor and utility
//             (higher) and better in one
//   selected  of the candidates within the budget the one with the lowest forget, then the highest
//             neighbor share, then the highest utility share, then the first
Selection Select(const ReportTable& main, const SelectionBudget& budget);

}  // namespace rwku::report
