// Tables as LaTeX.
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "benchmark/report/columns.h"
#include "benchmark/report/render.h"
#include "benchmark/report/selection_grid.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr absl::string_view kMinus = "$-$";

std::string Escaped(absl::string_view text) {
  std::string out;
  for (const char c : Printable(text)) {
    switch (c) {
      case '\\':
        out += "\\textbackslash{}";
        break;
      case '~':
        out += "\\textasciitilde{}";
        break;
      case '^':
        out += "\\textasciicircum{}";
        break;
      case '<':
        out += "\\textless{}";
        break;
      case '>':
        out += "\\textgreater{}";
        break;
      case '{':
      case '}':
      case '$':
      case '&':
      case '#':
      case '_':
      case '%':
        out += '\\';
        out += c;
        break;
      default:
        out += c;
    }
  }
  return out;
}

void AppendLine(const std::string& head, const std::vector<std::string>& fields, std::string& out) {
  // In a group of its own, a head cannot be taken for the argument of the "\\" before it.
  absl::StrAppend(&out, "{", head, "}");
  for (const std::string& field : fields) {
    absl::StrAppend(&out, " & ", field);
  }
  absl::StrAppend(&out, " \\\\\n");
}

std::string Small(absl::string_view text) {
  return text.empty() ? "" : absl::StrCat("{\\scriptsize ", text, "}");
}

void AppendHead(const ReportTable& table, std::string& out) {
  absl::StrAppend(&out, "\\toprule\n");
  const std::vector<ColumnGroup> groups = ColumnGroups(table);
  std::string rules;
  std::vector<std::string> titles;
  for (const ColumnGroup& group : groups) {
    titles.push_back(
        absl::StrCat("\\multicolumn{", group.count, "}{c}{", Escaped(group.title), "}"));
    if (!group.title.empty()) {
      // Columns count from 1, and the labels are the first.
      absl::StrAppend(&rules, "\\cmidrule(lr){", group.first + 2, "-",
                      group.first + group.count + 1, "}");
    }
  }
  if (!rules.empty()) {
    AppendLine("", titles, out);
    absl::StrAppend(&out, rules, "\n");
  }
  std::vector<std::string> heads;
  for (const ReportColumn& column : table.columns) {
    heads.push_back(absl::StrCat(Escaped(column.title), " ",
                                 column.higher_is_better ? "$\\uparrow$" : "$\\downarrow$"));
  }
  AppendLine(std::string(RowHead(table)), heads, out);
  absl::StrAppend(&out, "\\midrule\n");
}

void AppendRow(const ReportTable& table, const ReportRow& row, const std::string& label,
               std::string& out) {
  std::vector<std::string> figures;
  std::vector<std::string> intervals;
  std::vector<std::string> published;
  std::vector<std::string> differences;
  bool has_interval = false;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const ReportCell& cell = row.cells[i];
    const int decimals = table.columns[i].decimals;
    figures.push_back(cell.value ? FigureText(cell.value, decimals, kMinus) : "--");
    intervals.push_back(Small(IntervalText(cell, decimals, kMinus)));
    has_interval = has_interval || !intervals.back().empty();
    published.push_back(cell.published ? FigureText(cell.published, decimals, kMinus) : "--");
    const std::optional<double> difference = PublishedDifference(cell);
    differences.push_back(difference ? DifferenceText(difference, decimals, kMinus) : "--");
  }
  AppendLine(Escaped(label), figures, out);
  if (has_interval) {
    AppendLine("", intervals, out);
  }
  if (HasPublished(row)) {
    AppendLine(absl::StrCat("\\quad published ", Escaped(row.published)), published, out);
    AppendLine("\\quad difference", differences, out);
  }
}

std::string Caption(const ReportTable& table) {
  std::string caption = absl::StrCat("\\textbf{", Escaped(TableTitle(table)), ".}");
  if (!table.caption.empty()) {
    absl::StrAppend(&caption, " ", Escaped(table.caption));
  }
  if (HasInterval(table)) {
    absl::StrAppend(&caption, " In brackets: 95\\,\\% bootstrap interval over targets.");
  }
  for (const std::string& line : JobRemarks(table)) {
    absl::StrAppend(&caption, " ", Escaped(line), ".");
  }
  if (!table.source.empty()) {
    absl::StrAppend(&caption, " Published: ", Escaped(table.source), ".");
  }
  return caption;
}

// A per-target table is named by its title.
std::string Label(const ReportTable& table) {
  std::string label = absl::StrCat("tab:rwku-", table.key);
  if (table.key == "targets" || table.key == "curve") {
    absl::StrAppend(&label, "-", table.title);
  }
  for (char& c : label) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != ':') {
      c = '-';
    }
  }
  return label;
}

std::string Render(const Selection& selection) {
  const SelectionGrid grid = GridOf(selection);
  std::string out =
      absl::StrCat("\\begin{table*}[tp]\n\\centering\n\\caption{\\textbf{", kSelectionTitle, ".} ",
                   Escaped(grid.caption),
                   "}\n\\label{tab:rwku-selection}\n\\begin{tabular}{lrrrrll}\n\\toprule\n");
  AppendLine(grid.head.front(), {grid.head.begin() + 1, grid.head.end()}, out);
  absl::StrAppend(&out, "\\midrule\n");
  for (const SelectionGrid::Row& row : grid.rows) {
    std::vector<std::string> fields;
    for (const std::string& field : row.fields) {
      fields.push_back(row.selected ? absl::StrCat("\\textbf{", Escaped(field), "}")
                                    : Escaped(field));
    }
    AppendLine(fields.front(), {fields.begin() + 1, fields.end()}, out);
  }
  absl::StrAppend(&out, "\\bottomrule\n\\end{tabular}\n\\end{table*}\n");
  return out;
}

}  // namespace

std::string RenderLatex(const ReportTable& table) {
  std::string out =
      absl::StrCat("\\begin{table*}[tp]\n\\centering\n\\caption{", Caption(table), "}\n\\label{",
                   Label(table), "}\n\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}{l");
  for (const ColumnGroup& group : ColumnGroups(table)) {
    absl::StrAppend(&out, " ", std::string(group.count, 'r'));
  }
  absl::StrAppend(&out, "}\n");
  AppendHead(table, out);
  const std::vector<std::string> labels = RowLabels(table);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    AppendRow(table, table.rows[i], labels[i], out);
  }
  std::vector<std::string> probes;
  std::vector<std::string> targets;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    probes.push_back(CountText(table, i, &ReportCell::count, "--"));
    targets.push_back(CountText(table, i, &ReportCell::targets, "--"));
  }
  absl::StrAppend(&out, "\\midrule\n");
  AppendLine("probes", probes, out);
  AppendLine("targets", targets, out);
  absl::StrAppend(&out, "\\bottomrule\n\\end{tabular}}\n\\end{table*}\n");
  return out;
}

std::string RenderLatex(const Report& report) {
  std::string out =
      absl::StrCat("% ", Printable(report.title), "\n% Needs \\usepackage{booktabs,graphicx}.\n");
  for (const std::string& note : report.notes) {
    absl::StrAppend(&out, "% ", Printable(note), "\n");
  }
  for (const std::vector<ReportTable>* tables : {&report.tables, &report.curves, &report.targets}) {
    for (const ReportTable& table : *tables) {
      if (IsShown(table)) {
        absl::StrAppend(&out, "\n", RenderLatex(table));
      }
      if (table.key == kMainTable && report.selection) {
        absl::StrAppend(&out, "\n", Render(*report.selection));
      }
    }
  }
  return out;
}

}  // namespace rwku::report
