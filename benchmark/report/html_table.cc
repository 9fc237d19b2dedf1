#include "benchmark/report/html_table.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/svg.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

// Intervals of a table with more columns may take two lines.
constexpr size_t kMostNarrow = 15;
constexpr absl::string_view kMinus = "−";
constexpr absl::string_view kDash = "–";  // a missing figure

// Columns where a group begins have more room before them.
std::vector<bool> GroupStarts(const ReportTable& table) {
  std::vector<bool> starts(table.columns.size(), false);
  for (const ColumnGroup& group : ColumnGroups(table)) {
    starts[group.first] = true;
  }
  return starts;
}

std::string Cell(bool starts_group, absl::string_view content) {
  return absl::StrCat(starts_group ? "<td class=\"g\">" : "<td>", content, "</td>");
}

std::string Figure(std::optional<double> value, int decimals) {
  return value ? FigureText(value, decimals, kMinus)
               : absl::StrCat("<span class=\"missing\" title=\"missing\">", kDash, "</span>");
}

// "72.1–85.3", or "−2.4 to 1.2" where a dash would be taken for a minus.
std::string Interval(const ReportCell& cell, int decimals) {
  if (!cell.low || !cell.high) {
    return "";
  }
  return absl::StrCat(FigureText(cell.low, decimals, kMinus), *cell.low < 0 ? "&nbsp;to " : kDash,
                      FigureText(cell.high, decimals, kMinus));
}

void AppendHead(const ReportTable& table, std::string& out) {
  const std::vector<ColumnGroup> groups = ColumnGroups(table);
  const bool grouped = std::any_of(groups.begin(), groups.end(),
                                   [](const ColumnGroup& group) { return !group.title.empty(); });
  absl::StrAppend(&out, "<thead>\n<tr><th class=\"head\" scope=\"col\"",
                  grouped ? " rowspan=\"2\"" : "", ">", RowHead(table), "</th>");
  if (grouped) {
    for (const ColumnGroup& group : groups) {
      if (group.title.empty()) {
        absl::StrAppend(&out, "<td class=\"g\" colspan=\"", group.count, "\"></td>");
      } else {
        absl::StrAppend(&out, "<th class=\"g group\" scope=\"colgroup\" colspan=\"", group.count,
                        "\"><span>", EscapedMarkup(group.title), "</span></th>");
      }
    }
    absl::StrAppend(&out, "</tr>\n<tr>");
  }
  const std::vector<bool> starts = GroupStarts(table);
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const ReportColumn& column = table.columns[i];
    absl::StrAppend(&out, "<th scope=\"col\"", starts[i] ? " class=\"g\"" : "", ">",
                    EscapedMarkup(column.title), "&nbsp;<abbr title=\"",
                    column.higher_is_better ? "higher" : "lower", " is better\">",
                    column.higher_is_better ? "↑" : "↓", "</abbr></th>");
  }
  absl::StrAppend(&out, "</tr>\n</thead>\n");
}

// The largest count of each column: what a row without holes has.
std::vector<int> LargestCounts(const ReportTable& table, int ReportCell::*count) {
  std::vector<int> largest(table.columns.size(), 0);
  for (const ReportRow& row : table.rows) {
    for (size_t i = 0; i < row.cells.size(); ++i) {
      largest[i] = std::max(largest[i], row.cells[i].*count);
    }
  }
  return largest;
}

void AppendRow(const ReportTable& table, const ReportRow& row, const std::string& label,
               const std::vector<int>& probes, const std::vector<int>& targets, std::string& out) {
  const std::vector<bool> starts = GroupStarts(table);
  std::string figures;
  std::string published;
  std::string differences;
  std::string counts;
  bool fewer = false;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const ReportCell& cell = row.cells[i];
    const int decimals = table.columns[i].decimals;
    const std::string interval = Interval(cell, decimals);
    absl::StrAppend(&figures,
                    Cell(starts[i], absl::StrCat(Figure(cell.value, decimals),
                                                 interval.empty() ? "" : " <small>", interval,
                                                 interval.empty() ? "" : "</small>")));
    absl::StrAppend(&published, Cell(starts[i], Figure(cell.published, decimals)));
    const std::optional<double> difference = PublishedDifference(cell);
    absl::StrAppend(&differences,
                    Cell(starts[i], difference ? DifferenceText(difference, decimals, kMinus)
                                               : Figure(difference, decimals)));
    fewer = fewer || cell.count < probes[i] || cell.targets < targets[i];
    absl::StrAppend(&counts, Cell(starts[i], absl::StrCat(cell.count, "/", cell.targets)));
  }
  absl::StrAppend(&out, "<tbody>\n<tr><th class=\"head\" scope=\"row\">", EscapedMarkup(label));
  if (row.jobs_succeeded != row.jobs) {
    absl::StrAppend(&out, " <small>", row.jobs_succeeded, " of ", row.jobs, " jobs</small>");
  }
  absl::StrAppend(&out, "</th>", figures, "</tr>\n");
  if (HasPublished(row)) {
    absl::StrAppend(&out, "<tr class=\"minor\"><th class=\"head\" scope=\"row\">published: ",
                    EscapedMarkup(row.published), "</th>", published, "</tr>\n",
                    "<tr class=\"minor\"><th class=\"head\" scope=\"row\">difference</th>",
                    differences, "</tr>\n");
  }
  if (fewer) {
    absl::StrAppend(&out,
                    "<tr class=\"minor\"><th class=\"head\" scope=\"row\">probes / targets</th>",
                    counts, "</tr>\n");
  }
  absl::StrAppend(&out, "</tbody>\n");
}

void AppendFootRow(const ReportTable& table, absl::string_view name, const std::vector<int>& counts,
                   std::string& out) {
  const std::vector<bool> starts = GroupStarts(table);
  absl::StrAppend(&out, "<tr><th class=\"head\" scope=\"row\">", name, "</th>");
  for (size_t i = 0; i < table.columns.size(); ++i) {
    absl::StrAppend(&out, Cell(starts[i], absl::StrCat(counts[i])));
  }
  absl::StrAppend(&out, "</tr>\n");
}

}  // namespace

std::string HtmlTable(const ReportTable& table, absl::string_view id) {
  const std::string title = EscapedMarkup(TableTitle(table));
  std::string out = absl::StrCat(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", title,
      "\">\n<table id=\"", id, "\"", table.columns.size() <= kMostNarrow ? " class=\"narrow\"" : "",
      ">\n<caption>", title, "</caption>\n");
  AppendHead(table, out);
  const std::vector<std::string> labels = RowLabels(table);
  // Targets differ in their number of probes by themselves: no counts in a per-target table.
  const bool per_target = table.key == "targets";
  const std::vector<int> none(table.columns.size(), 0);
  const std::vector<int> probes = per_target ? none : LargestCounts(table, &ReportCell::count);
  const std::vector<int> targets = per_target ? none : LargestCounts(table, &ReportCell::targets);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    AppendRow(table, table.rows[i], labels[i], probes, targets, out);
  }
  if (!per_target) {
    absl::StrAppend(&out, "<tfoot>\n");
    AppendFootRow(table, "probes", probes, out);
    AppendFootRow(table, "targets", targets, out);
    absl::StrAppend(&out, "</tfoot>\n");
  }
  absl::StrAppend(&out, "</table>\n</div>\n");
  return out;
}

}  // namespace rwku::report
