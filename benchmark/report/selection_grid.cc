#include "benchmark/report/selection_grid.h"

#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr double kPercent = 100;

std::string ShareText(const std::optional<double>& share) {
  return share ? absl::StrFormat("%.1f %%", kPercent * *share) : std::string(kMissing);
}

std::string VerdictText(const SelectionArm& arm) {
  if (!arm.excluded.empty()) {
    return absl::StrCat("excluded: ", arm.excluded);
  }
  return arm.selected ? "selected" : arm.within_budget ? "within budget" : "over budget";
}

}  // namespace

SelectionGrid GridOf(const Selection& selection) {
  SelectionGrid grid;
  grid.caption = absl::StrFormat(
      "Selected: the least forget All that leaves %g %% of neighbor All and %g %% of utility. "
      "Front: "
      "no other arm is at least as good in all three and better in one.",
      kPercent * selection.budget.neighbor, kPercent * selection.budget.utility);
  grid.head = {"Arm",          "Forget All", "Neighbor All", "Neighbor left",
               "Utility left", "Front",      "Verdict"};
  std::set<std::string> runs;
  for (const SelectionArm& arm : selection.arms) {
    runs.insert(arm.run);
  }
  for (const SelectionArm& arm : selection.arms) {
    grid.rows.push_back(
        {{runs.size() > 1 ? absl::StrCat(arm.label, " (", arm.run, ")") : arm.label,
          FigureText(arm.forget, 1), FigureText(arm.neighbor, 1), ShareText(arm.neighbor_share),
          ShareText(arm.utility_share), arm.on_front ? "yes" : "", VerdictText(arm)},
         arm.selected});
  }
  return grid;
}

}  // namespace rwku::report
