#include "benchmark/report/render.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

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

std::string CellText(const ReportCell& cell) {
  return cell.value.has_value() ? absl::StrFormat("%.1f", *cell.value) : "-";
}

// "12" where all rows have 12, "9-12" where they differ.
std::string CountText(const ReportTable& table, size_t column, int ReportCell::*count) {
  int least = 0;
  int most = 0;
  bool first = true;
  for (const ReportRow& row : table.rows) {
    const int value = row.cells[column].*count;
    least = first ? value : std::min(least, value);
    most = first ? value : std::max(most, value);
    first = false;
  }
  return least == most ? absl::StrCat(most) : absl::StrCat(least, "-", most);
}

// A group's last column makes room for the group's name.
void MakeRoomForGroups(const ReportTable& table, std::vector<int>& widths) {
  for (size_t first = 0; first < widths.size();) {
    const std::string& group = table.columns[first].group;
    size_t last = first;
    int width = widths[first];
    while (last + 1 < widths.size() && table.columns[last + 1].group == group) {
      ++last;
      width += static_cast<int>(kGap.size()) + widths[last];
    }
    widths[last] += std::max(0, DisplayWidth(group) - width);
    first = last + 1;
  }
}

// Group names over the first of their columns, cut at the group's own width.
std::string GroupLine(const ReportTable& table, const std::vector<int>& widths, int label_width) {
  std::string line = Repeat(' ', label_width);
  size_t column = 0;
  while (column < table.columns.size()) {
    const std::string& group = table.columns[column].group;
    int width = -static_cast<int>(kGap.size());
    while (column < table.columns.size() && table.columns[column].group == group) {
      width += static_cast<int>(kGap.size()) + widths[column];
      ++column;
    }
    absl::StrAppend(&line, kGap, PadRight(group, width));
  }
  return line;
}

// The labels as printed: with the run's name where rows come from several runs.
std::vector<std::string> RowLabels(const ReportTable& table) {
  std::set<absl::string_view> runs;
  for (const ReportRow& row : table.rows) {
    runs.insert(row.run);
  }
  std::vector<std::string> labels;
  for (const ReportRow& row : table.rows) {
    labels.push_back(runs.size() > 1 ? absl::StrCat(row.label, " (", row.run, ")") : row.label);
  }
  return labels;
}

std::string CsvField(const std::string& field) {
  if (field.find_first_of("\",\r\n") == std::string::npos) {
    return field;
  }
  return absl::StrCat("\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\"");
}

void AppendCsvLine(const std::vector<std::string>& fields, std::string& out) {
  absl::StrAppend(&out,
                  absl::StrJoin(fields, ",",
                                [](std::string* line, const std::string& field) {
                                  absl::StrAppend(line, CsvField(field));
                                }),
                  "\r\n");
}

}  // namespace

std::string RenderText(const ReportTable& table) {
  const std::vector<std::string> labels = RowLabels(table);
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> titles;
  std::vector<std::string> probes;
  std::vector<std::string> targets;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    titles.push_back(table.columns[i].title);
    probes.push_back(CountText(table, i, &ReportCell::count));
    targets.push_back(CountText(table, i, &ReportCell::targets));
  }
  lines.push_back(std::move(titles));
  for (const ReportRow& row : table.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const ReportCell& cell : row.cells) {
      line.push_back(CellText(cell));
    }
  }
  lines.push_back(std::move(probes));
  lines.push_back(std::move(targets));

  std::vector<std::string> heads = {""};
  heads.insert(heads.end(), labels.begin(), labels.end());
  heads.insert(heads.end(), {"probes", "targets"});
  int label_width = 0;
  std::vector<int> widths(table.columns.size(), 0);
  for (size_t i = 0; i < lines.size(); ++i) {
    label_width = std::max(label_width, DisplayWidth(heads[i]));
    for (size_t j = 0; j < widths.size(); ++j) {
      widths[j] = std::max(widths[j], DisplayWidth(lines[i][j]));
    }
  }
  MakeRoomForGroups(table, widths);

  std::string out;
  if (!table.title.empty()) {
    absl::StrAppend(&out, table.title, "\n\n");
  }
  AppendLine(GroupLine(table, widths, label_width), out);
  int total_width = label_width;
  for (const int width : widths) {
    total_width += static_cast<int>(kGap.size()) + width;
  }
  const std::string rule = Repeat('-', total_width);
  const size_t first_count = lines.size() - 2;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == 1 || i == first_count) {
      AppendLine(rule, out);
    }
    std::string line = PadRight(heads[i], label_width);
    for (size_t j = 0; j < widths.size(); ++j) {
      absl::StrAppend(&line, kGap, PadLeft(lines[i][j], widths[j]));
    }
    AppendLine(std::move(line), out);
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const ReportRow& row = table.rows[i];
    if (row.jobs_succeeded != row.jobs) {
      absl::StrAppend(&out, labels[i], ": ", row.jobs_succeeded, " of ", row.jobs,
                      " jobs succeeded; the others are missing from its figures\n");
    }
  }
  return out;
}

std::string RenderCsv(const ReportTable& table) {
  std::string out;
  std::vector<std::string> fields = {"label", "run", "jobs_succeeded", "jobs"};
  for (const ReportColumn& column : table.columns) {
    fields.push_back(column.key);
    fields.push_back(absl::StrCat(column.key, "_n"));
    fields.push_back(absl::StrCat(column.key, "_targets"));
  }
  AppendCsvLine(fields, out);
  for (const ReportRow& row : table.rows) {
    fields = {row.label, row.run, absl::StrCat(row.jobs_succeeded), absl::StrCat(row.jobs)};
    for (const ReportCell& cell : row.cells) {
      // 17 digits: reads back as the same double.
      fields.push_back(cell.value.has_value() ? absl::StrFormat("%.17g", *cell.value) : "");
      fields.push_back(absl::StrCat(cell.count));
      fields.push_back(absl::StrCat(cell.targets));
    }
    AppendCsvLine(fields, out);
  }
  return out;
}

std::string RenderJson(const ReportTable& table) {
  using Json = nlohmann::ordered_json;
  Json columns = Json::array();
  for (const ReportColumn& column : table.columns) {
    columns.push_back({{"key", column.key},
                       {"title", column.title},
                       {"group", column.group},
                       {"higher_is_better", column.higher_is_better}});
  }
  Json rows = Json::array();
  for (const ReportRow& row : table.rows) {
    Json cells = Json::object();
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const ReportCell& cell = row.cells[i];
      cells[table.columns[i].key] = {
          {"value", cell.value.has_value() ? Json(*cell.value) : Json(nullptr)},
          {"count", cell.count},
          {"targets", cell.targets}};
    }
    rows.push_back({{"label", row.label},
                    {"run", row.run},
                    {"jobs_succeeded", row.jobs_succeeded},
                    {"jobs", row.jobs},
                    {"cells", std::move(cells)}});
  }
  const Json document = {
      {"title", table.title}, {"columns", std::move(columns)}, {"rows", std::move(rows)}};
  // Bytes that are no UTF-8 are replaced: a bad label must not cost the table.
  return absl::StrCat(document.dump(2, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace rwku::report
