// Tables as GitHub's Markdown.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "benchmark/report/columns.h"
#include "benchmark/report/render.h"
#include "benchmark/report/selection_grid.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

std::string Escaped(absl::string_view text) {
  std::string out;
  for (const char c : Printable(text)) {
    if (absl::StrContains("\\`*_{}[]<>()#+!|~&$", c)) {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

void AppendLine(const std::string& head, const std::vector<std::string>& fields, std::string& out) {
  absl::StrAppend(&out, "| ", head, " |");
  for (const std::string& field : fields) {
    absl::StrAppend(&out, " ", field, " |");
  }
  out.push_back('\n');
}

std::string ColumnHead(const ReportColumn& column) {
  return absl::StrCat(Escaped(column.group), column.group.empty() ? "" : " ", Escaped(column.title),
                      column.higher_is_better ? " ↑" : " ↓");
}

void AppendRow(const ReportTable& table, const ReportRow& row, const std::string& label,
               std::string& out) {
  std::vector<std::string> figures;
  std::vector<std::string> published;
  std::vector<std::string> differences;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const ReportCell& cell = row.cells[i];
    const int decimals = table.columns[i].decimals;
    const std::string interval = IntervalText(cell, decimals);
    figures.push_back(absl::StrCat(FigureText(cell.value, decimals), interval.empty() ? "" : " ",
                                   Escaped(interval)));
    published.push_back(FigureText(cell.published, decimals));
    differences.push_back(DifferenceText(PublishedDifference(cell), decimals));
  }
  AppendLine(Escaped(label), figures, out);
  if (HasPublished(row)) {
    AppendLine(absl::StrCat("published: ", Escaped(row.published)), published, out);
    AppendLine("difference", differences, out);
  }
}

std::string Render(const Selection& selection) {
  const SelectionGrid grid = GridOf(selection);
  std::string out = absl::StrCat("### ", kSelectionTitle, "\n\n");
  const auto append = [&out](const std::vector<std::string>& fields) {
    AppendLine(fields.front(), {fields.begin() + 1, fields.end()}, out);
  };
  append(grid.head);
  append({"---", "---:", "---:", "---:", "---:", "---", "---"});
  for (const SelectionGrid::Row& row : grid.rows) {
    std::vector<std::string> fields;
    for (const std::string& field : row.fields) {
      fields.push_back(row.selected && !field.empty() ? absl::StrCat("**", Escaped(field), "**")
                                                      : Escaped(field));
    }
    append(fields);
  }
  absl::StrAppend(&out, "\n", Escaped(grid.caption), "\n");
  return out;
}

}  // namespace

std::string RenderMarkdown(const ReportTable& table) {
  std::string out = absl::StrCat("### ", Escaped(TableTitle(table)), "\n\n");
  std::vector<std::string> heads;
  std::vector<std::string> probes;
  std::vector<std::string> targets;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    heads.push_back(ColumnHead(table.columns[i]));
    probes.push_back(CountText(table, i, &ReportCell::count));
    targets.push_back(CountText(table, i, &ReportCell::targets));
  }
  AppendLine(std::string(RowHead(table)), heads, out);
  AppendLine("---", std::vector<std::string>(heads.size(), "---:"), out);
  const std::vector<std::string> labels = RowLabels(table);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    AppendRow(table, table.rows[i], labels[i], out);
  }
  AppendLine("probes", probes, out);
  AppendLine("targets", targets, out);
  if (!table.caption.empty()) {
    absl::StrAppend(&out, "\n", Escaped(table.caption),
                    HasInterval(table) ? " In brackets: 95 % bootstrap interval over targets." : "",
                    "\n");
  }
  for (const std::string& line : JobRemarks(table)) {
    absl::StrAppend(&out, "\n", Escaped(line), "\n");
  }
  if (!table.source.empty()) {
    absl::StrAppend(&out, "\nPublished: ", Escaped(table.source), "\n");
  }
  return out;
}

std::string RenderMarkdown(const Report& report) {
  std::string out = absl::StrCat("## ", Escaped(report.title), "\n");
  for (const std::string& note : report.notes) {
    absl::StrAppend(&out, "\n", Escaped(note), "\n");
  }
  for (const std::vector<ReportTable>* tables : {&report.tables, &report.curves, &report.targets}) {
    for (const ReportTable& table : *tables) {
      if (IsShown(table)) {
        absl::StrAppend(&out, "\n", RenderMarkdown(table));
      }
      if (table.key == kMainTable && report.selection) {
        absl::StrAppend(&out, "\n", Render(*report.selection));
      }
    }
  }
  return out;
}

}  // namespace rwku::report
