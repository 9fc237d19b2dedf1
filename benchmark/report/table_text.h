// What the renderers of tables share: figures, counts and labels as printed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/report/report.h"

namespace rwku::report {

inline constexpr absl::string_view kMissing = "-";

// "85.9"; "-" for a missing figure. `minus` stands before a negative one.
std::string FigureText(std::optional<double> value, int decimals, absl::string_view minus = "-");

// The same with its sign, also "+": of a difference. Zero has none.
std::string DifferenceText(std::optional<double> value, int decimals,
                           absl::string_view minus = "-");

// "[72.1, 85.3]"; empty without an interval.
std::string IntervalText(const ReportCell& cell, int decimals, absl::string_view minus = "-");

// Ours minus the published figure, where both exist.
std::optional<double> PublishedDifference(const ReportCell& cell);

bool HasPublished(const ReportRow& row);
bool HasFigure(const ReportTable& table);

// Whether a report prints the table: if it has a figure, and the main table always, since its rows
// say what failed.
bool IsShown(const ReportTable& table);

bool HasInterval(const ReportTable& table);

// "12" where all rows have 12, "9-12" where they differ, `dash` between. `count` is
// &ReportCell::count or &ReportCell::targets.
std::string CountText(const ReportTable& table, size_t column, int ReportCell::*count,
                      absl::string_view dash = "-");

// The labels as printed: with the run's name where rows come from several runs.
std::vector<std::string> RowLabels(const ReportTable& table);

// "npo: 1 of 2 jobs succeeded; the others are missing from its figures" and "npo: 1 of 2 jobs
// collapsed; ...", for each row of which that is true.
std::vector<std::string> JobRemarks(const ReportTable& table);

// Neighboring columns of one group.
struct ColumnGroup {
  std::string title;
  size_t first = 0;
  size_t count = 0;
};
std::vector<ColumnGroup> ColumnGroups(const ReportTable& table);

// The rows' name in the head of the table: "Method", "Target" or "Checkpoint".
absl::string_view RowHead(const ReportTable& table);

// Of a per-target table, "Per target: ga"; of a curve, "Curve: ga"; else its title.
std::string TableTitle(const ReportTable& table);

// `text` without control characters (a space each) and with U+FFFD for what is no UTF-8.
std::string Printable(absl::string_view text);

}  // namespace rwku::report
