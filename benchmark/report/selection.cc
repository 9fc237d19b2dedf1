#include "benchmark/report/selection.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

#include "benchmark/report/report.h"

namespace rwku::report {
namespace {

constexpr absl::string_view kUtilityGroup = "Utility";

std::optional<double> ValueAt(const ReportRow& row, std::optional<size_t> column) {
  return column && *column < row.cells.size() ? row.cells[*column].value : std::nullopt;
}

bool SameField(const ReportRow& a, const ReportRow& b) {
  return a.recipe.model == b.recipe.model && a.recipe.group == b.recipe.group;
}

// What the shares of `row` in `column` are of: the figure of the original model, or the best one.
std::optional<double> BaseOf(const ReportTable& table, const ReportRow& row, size_t column) {
  std::optional<double> of_other_run;
  std::optional<double> best;
  for (const ReportRow& other : table.rows) {
    const std::optional<double> value = ValueAt(other, column);
    if (!SameField(row, other) || !value) {
      continue;
    }
    if (IsOriginal(other)) {
      if (other.run == row.run) {
        return value;
      }
      of_other_run = of_other_run ? of_other_run : value;
    } else {
      best = std::max(best.value_or(*value), *value);
    }
  }
  return of_other_run ? of_other_run : best;
}

std::optional<double> ShareOf(const ReportTable& table, const ReportRow& row, size_t column) {
  const std::optional<double> value = ValueAt(row, column);
  const std::optional<double> base = BaseOf(table, row, column);
  return value && base && *base > 0 ? std::optional(*value / *base) : std::nullopt;
}

std::optional<double> UtilityShare(const ReportTable& table, const ReportRow& row) {
  double sum = 0;
  int count = 0;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (absl::string_view(table.columns[i].group) != kUtilityGroup) {
      continue;
    }
    if (const std::optional<double> share = ShareOf(table, row, i)) {
      sum += *share;
      ++count;
    }
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

// Arms that compete, by their numbers.
using Field = std::vector<size_t>;

bool AnyHas(const Selection& selection, const Field& field,
            std::optional<double> SelectionArm::*share) {
  return std::any_of(field.begin(), field.end(),
                     [&](size_t i) { return (selection.arms[i].*share).has_value(); });
}

// A missing share counts as none for all of the field: see Exclude.
bool AtLeastAsGood(const SelectionArm& a, const SelectionArm& b) {
  return *a.forget <= *b.forget && a.neighbor_share.value_or(0) >= b.neighbor_share.value_or(0) &&
         a.utility_share.value_or(0) >= b.utility_share.value_or(0);
}

void Exclude(const ReportRow& row, bool needs_neighbor, bool needs_utility, SelectionArm* arm) {
  if (row.jobs_succeeded < row.jobs) {
    arm->excluded =
        absl::StrCat(row.jobs - row.jobs_succeeded, " of ", row.jobs, " jobs have no result");
  } else if (row.jobs_collapsed > 0) {
    arm->excluded = absl::StrCat(row.jobs_collapsed, " of ", row.jobs, " jobs collapsed");
  } else if (!arm->forget) {
    arm->excluded = "no forget figure";
  } else if (needs_neighbor && !arm->neighbor_share) {
    arm->excluded = "no neighbor figure";
  } else if (needs_utility && !arm->utility_share) {
    arm->excluded = "no utility figure";
  }
}

void Judge(const Field& field, Selection* selection) {
  const auto better = [](const SelectionArm& a, const SelectionArm& b) {
    return std::make_tuple(*a.forget, -a.neighbor_share.value_or(0), -a.utility_share.value_or(0)) <
           std::make_tuple(*b.forget, -b.neighbor_share.value_or(0), -b.utility_share.value_or(0));
  };
  SelectionArm* best = nullptr;
  for (const size_t i : field) {
    SelectionArm& arm = selection->arms[i];
    if (!arm.excluded.empty()) {
      continue;
    }
    arm.on_front = std::none_of(field.begin(), field.end(), [&](size_t j) {
      const SelectionArm& other = selection->arms[j];
      return other.excluded.empty() && AtLeastAsGood(other, arm) && !AtLeastAsGood(arm, other);
    });
    arm.within_budget = arm.neighbor_share.value_or(1) >= selection->budget.neighbor &&
                        arm.utility_share.value_or(1) >= selection->budget.utility;
    if (arm.within_budget && (best == nullptr || better(arm, *best))) {
      best = &arm;
    }
  }
  if (best != nullptr) {
    best->selected = true;
  }
}

}  // namespace

Selection Select(const ReportTable& main, const SelectionBudget& budget) {
  Selection selection{budget, {}};
  const std::optional<size_t> forget = FindColumn(main, "forget_all");
  const std::optional<size_t> neighbor = FindColumn(main, "neighbor_all");
  std::map<std::pair<std::string, std::string>, Field> fields;
  std::vector<const ReportRow*> rows;
  for (const ReportRow& row : main.rows) {
    if (IsOriginal(row)) {
      continue;
    }
    SelectionArm arm;
    arm.label = row.label;
    arm.run = row.run;
    arm.forget = ValueAt(row, forget);
    arm.neighbor = ValueAt(row, neighbor);
    arm.neighbor_share = neighbor ? ShareOf(main, row, *neighbor) : std::nullopt;
    arm.utility_share = UtilityShare(main, row);
    fields[{row.recipe.model, row.recipe.group}].push_back(selection.arms.size());
    selection.arms.push_back(std::move(arm));
    rows.push_back(&row);
  }
  for (const auto& [key, field] : fields) {
    const bool needs_neighbor = AnyHas(selection, field, &SelectionArm::neighbor_share);
    const bool needs_utility = AnyHas(selection, field, &SelectionArm::utility_share);
    for (const size_t i : field) {
      Exclude(*rows[i], needs_neighbor, needs_utility, &selection.arms[i]);
    }
    Judge(field, &selection);
  }
  return selection;
}

}  // namespace rwku::report
