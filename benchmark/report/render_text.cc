// Tables as aligned text.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/columns.h"
#include "benchmark/report/render.h"
#include "benchmark/report/selection_grid.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr absl::string_view kGap = "  ";

std::string Repeat(char c, int count) {
  std::string text(static_cast<size_t>(std::max(count, 0)), c);
  return text;
}

std::string PadLeft(absl::string_view text, int width) {
  return absl::StrCat(Repeat(' ', width - DisplayWidth(text)), text);
}

std::string PadRight(absl::string_view text, int width) {
  return absl::StrCat(text, Repeat(' ', width - DisplayWidth(text)));
}

void AppendLine(std::string line, std::string& out) {
  line.erase(line.find_last_not_of(' ') + 1);
  absl::StrAppend(&out, line, "\n");
}

// A group's last column makes room for the group's name.
void MakeRoomForGroups(const std::vector<ColumnGroup>& groups, std::vector<int>& widths) {
  for (const ColumnGroup& group : groups) {
    int width = -static_cast<int>(kGap.size());
    for (size_t i = group.first; i < group.first + group.count; ++i) {
      width += static_cast<int>(kGap.size()) + widths[i];
    }
    widths[group.first + group.count - 1] += std::max(0, DisplayWidth(group.title) - width);
  }
}

// Group names over the first of their columns.
std::string GroupLine(const std::vector<ColumnGroup>& groups, const std::vector<int>& widths,
                      int label_width) {
  std::string line = Repeat(' ', label_width);
  for (const ColumnGroup& group : groups) {
    int width = -static_cast<int>(kGap.size());
    for (size_t i = group.first; i < group.first + group.count; ++i) {
      width += static_cast<int>(kGap.size()) + widths[i];
    }
    absl::StrAppend(&line, kGap, PadRight(group.title, width));
  }
  return line;
}

struct Line {
  std::string head;
  std::vector<std::string> fields;
};

void AddRowLines(const ReportTable& table, const ReportRow& row, const std::string& label,
                 bool intervals, std::vector<Line>& lines) {
  Line figures{label, {}};
  Line low{"  95 % from", {}};
  Line high{"  to", {}};
  Line published{absl::StrCat("  published"), {}};
  Line difference{"  difference", {}};
  bool has_interval = false;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const ReportCell& cell = row.cells[i];
    const int decimals = table.columns[i].decimals;
    has_interval = has_interval || cell.low.has_value();
    figures.fields.push_back(FigureText(cell.value, decimals));
    low.fields.push_back(FigureText(cell.low, decimals));
    high.fields.push_back(FigureText(cell.high, decimals));
    published.fields.push_back(FigureText(cell.published, decimals));
    difference.fields.push_back(DifferenceText(PublishedDifference(cell), decimals));
  }
  lines.push_back(std::move(figures));
  if (intervals && has_interval) {
    lines.push_back(std::move(low));
    lines.push_back(std::move(high));
  }
  if (HasPublished(row)) {
    lines.push_back(std::move(published));
    lines.push_back(std::move(difference));
  }
}

std::string Render(const ReportTable& table, bool intervals) {
  const std::vector<std::string> labels = RowLabels(table);
  std::vector<Line> lines;
  Line& titles = lines.emplace_back();
  for (const ReportColumn& column : table.columns) {
    titles.fields.push_back(column.title);
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    AddRowLines(table, table.rows[i], labels[i], intervals, lines);
  }
  const size_t first_count = lines.size();
  Line probes{"probes", {}};
  Line targets{"targets", {}};
  for (size_t i = 0; i < table.columns.size(); ++i) {
    probes.fields.push_back(CountText(table, i, &ReportCell::count));
    targets.fields.push_back(CountText(table, i, &ReportCell::targets));
  }
  lines.push_back(std::move(probes));
  lines.push_back(std::move(targets));

  int label_width = 0;
  std::vector<int> widths(table.columns.size(), 0);
  for (const Line& line : lines) {
    label_width = std::max(label_width, DisplayWidth(line.head));
    for (size_t j = 0; j < widths.size(); ++j) {
      widths[j] = std::max(widths[j], DisplayWidth(line.fields[j]));
    }
  }
  const std::vector<ColumnGroup> groups = ColumnGroups(table);
  MakeRoomForGroups(groups, widths);

  std::string out;
  if (!table.title.empty()) {
    absl::StrAppend(&out, TableTitle(table), "\n\n");
  }
  AppendLine(GroupLine(groups, widths, label_width), out);
  int total_width = label_width;
  for (const int width : widths) {
    total_width += static_cast<int>(kGap.size()) + width;
  }
  const std::string rule = Repeat('-', total_width);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == 1 || i == first_count) {
      AppendLine(rule, out);
    }
    std::string line = PadRight(lines[i].head, label_width);
    for (size_t j = 0; j < widths.size(); ++j) {
      absl::StrAppend(&line, kGap, PadLeft(lines[i].fields[j], widths[j]));
    }
    AppendLine(std::move(line), out);
  }
  for (const std::string& line : JobRemarks(table)) {
    absl::StrAppend(&out, line, "\n");
  }
  if (!table.source.empty()) {
    absl::StrAppend(&out, "published: ", table.source, "\n");
  }
  return out;
}

std::string Render(const Selection& selection) {
  const SelectionGrid grid = GridOf(selection);
  std::vector<int> widths(grid.head.size(), 0);
  const auto widen = [&widths](const std::vector<std::string>& fields) {
    for (size_t i = 0; i < fields.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(fields[i]));
    }
  };
  widen(grid.head);
  for (const SelectionGrid::Row& row : grid.rows) {
    widen(row.fields);
  }
  std::string out = absl::StrCat(kSelectionTitle, "\n", grid.caption, "\n\n");
  const auto append = [&](absl::string_view mark, const std::vector<std::string>& fields) {
    std::string line(mark);
    for (size_t i = 0; i < fields.size(); ++i) {
      // Words to the left, figures to the right.
      const bool figure = i > 0 && i + 2 < fields.size();
      absl::StrAppend(&line, i == 0 ? "" : kGap,
                      figure ? PadLeft(fields[i], widths[i]) : PadRight(fields[i], widths[i]));
    }
    AppendLine(std::move(line), out);
  };
  append("  ", grid.head);
  for (const SelectionGrid::Row& row : grid.rows) {
    append(row.selected ? "* " : "  ", row.fields);
  }
  return out;
}

}  // namespace

std::string RenderText(const ReportTable& table) { return Render(table, /*intervals=*/false); }

std::string RenderText(const Report& report, bool intervals) {
  std::string out = absl::StrCat(report.title, "\n");
  for (const std::string& note : report.notes) {
    absl::StrAppend(&out, note, "\n");
  }
  for (const std::vector<ReportTable>* tables : {&report.tables, &report.curves, &report.targets}) {
    for (const ReportTable& table : *tables) {
      if (IsShown(table)) {
        absl::StrAppend(&out, "\n", Render(table, intervals));
      }
      if (table.key == kMainTable && report.selection) {
        absl::StrAppend(&out, "\n", Render(*report.selection));
      }
    }
  }
  return out;
}

}  // namespace rwku::report
