// A selection as printed, before any markup.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/report/selection.h"

namespace rwku::report {

inline constexpr absl::string_view kSelectionTitle = "Selection";

struct SelectionGrid {
  std::string caption;            // what the columns mean, with the budgets
  std::vector<std::string> head;  // one a column; the first is the arm's label
  struct Row {
    std::vector<std::string> fields;  // one a column
    bool selected = false;
  };
  std::vector<Row> rows;  // one an arm
};

// "-" for a missing figure; shares in percent. Labels have their run's name where there are several
// runs.
SelectionGrid GridOf(const Selection& selection);

}  // namespace rwku::report
