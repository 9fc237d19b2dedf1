#include "benchmark/report/render_comparison.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

#include "benchmark/report/render.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr double kSignificant = 0.05;
constexpr double kLeastPrinted = 0.0001;

std::string PText(std::optional<double> p) {
  if (!p) {
    return std::string(kMissing);
  }
  return *p < kLeastPrinted ? "<0.0001" : absl::StrFormat("%.4f", *p);
}

std::string ColumnName(const ReportColumn& column) {
  return absl::StrCat(column.group, column.group.empty() ? "" : " ", column.title);
}

std::vector<std::string> Heads(const Comparison& comparison) {
  return {"",  comparison.first, comparison.second, "difference", "95 % interval",
          "p", "p (Holm)",       "detectable",      "targets"};
}

std::vector<std::string> Fields(const ReportColumn& column, const ComparisonCell& cell) {
  ReportCell interval;
  interval.low = cell.low;
  interval.high = cell.high;
  const std::string printed = IntervalText(interval, column.decimals);
  const bool significant = cell.p_adjusted && *cell.p_adjusted < kSignificant;
  return {ColumnName(column),
          FigureText(cell.first, column.decimals),
          FigureText(cell.second, column.decimals),
          DifferenceText(cell.difference, column.decimals),
          printed.empty() ? std::string(kMissing) : printed,
          PText(cell.p),
          absl::StrCat(PText(cell.p_adjusted), significant ? "*" : ""),
          FigureText(cell.detectable, column.decimals),
          absl::StrCat(cell.targets)};
}

std::vector<std::vector<std::string>> Lines(const Comparison& comparison) {
  std::vector<std::vector<std::string>> lines = {Heads(comparison)};
  for (size_t i = 0; i < comparison.columns.size(); ++i) {
    if (comparison.cells[i].targets > 0) {
      lines.push_back(Fields(comparison.columns[i], comparison.cells[i]));
    }
  }
  return lines;
}

std::string CsvNumber(const std::optional<double>& value) {
  return value ? absl::StrFormat("%.17g", *value) : "";
}

}  // namespace

std::string RenderText(const Comparison& comparison) {
  const std::vector<std::vector<std::string>> lines = Lines(comparison);
  std::vector<int> widths(lines.front().size(), 0);
  for (const std::vector<std::string>& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(line[i]));
    }
  }
  std::string out;
  for (const std::vector<std::string>& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string blanks(static_cast<size_t>(widths[i] - DisplayWidth(line[i])), ' ');
      absl::StrAppend(&out, i == 0 ? "" : "  ", i == 0 ? line[i] + blanks : blanks + line[i]);
    }
    out.push_back('\n');
  }
  absl::StrAppend(
      &out,
      "\ndifference = second - first over the targets that both have; p: sign-flip "
      "permutation; * p (Holm) < 0.05;\ndetectable: difference found with 80 % power\n");
  return out;
}

std::string RenderCsv(const Comparison& comparison) {
  std::string out = "column,first,second,difference,low,high,p,p_adjusted,detectable,targets\r\n";
  for (size_t i = 0; i < comparison.columns.size(); ++i) {
    const ComparisonCell& cell = comparison.cells[i];
    std::vector<std::string> fields = {comparison.columns[i].key};
    for (const std::optional<double>& value :
         {cell.first, cell.second, cell.difference, cell.low, cell.high, cell.p, cell.p_adjusted,
          cell.detectable}) {
      fields.push_back(CsvNumber(value));
    }
    fields.push_back(absl::StrCat(cell.targets));
    absl::StrAppend(&out, absl::StrJoin(fields, ","), "\r\n");
  }
  return out;
}

std::string RenderJson(const Comparison& comparison) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json columns = Json::array();
  for (size_t i = 0; i < comparison.columns.size(); ++i) {
    const ReportColumn& column = comparison.columns[i];
    const ComparisonCell& cell = comparison.cells[i];
    columns.push_back({{"key", column.key},
                       {"title", column.title},
                       {"group", column.group},
                       {"higher_is_better", column.higher_is_better},
                       {"first", number(cell.first)},
                       {"second", number(cell.second)},
                       {"difference", number(cell.difference)},
                       {"low", number(cell.low)},
                       {"high", number(cell.high)},
                       {"p", number(cell.p)},
                       {"p_adjusted", number(cell.p_adjusted)},
                       {"detectable", number(cell.detectable)},
                       {"targets", cell.targets}});
  }
  const Json document = {
      {"first", comparison.first}, {"second", comparison.second}, {"columns", std::move(columns)}};
  return absl::StrCat(document.dump(2, ' ', false, Json::error_handler_t::replace), "\n");
}

std::string RenderMarkdown(const Comparison& comparison) {
  std::string out;
  const std::vector<std::vector<std::string>> lines = Lines(comparison);
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&out, "|");
    for (const std::string& field : lines[i]) {
      absl::StrAppend(&out, " ",
                      absl::StrReplaceAll(Printable(field), {{"|", "\\|"},
                                                             {"*", "\\*"},
                                                             {"<", "\\<"},
                                                             {"_", "\\_"},
                                                             {"[", "\\["},
                                                             {"\\", "\\\\"}}),
                      " |");
    }
    out.push_back('\n');
    if (i == 0) {
      absl::StrAppend(&out, "| --- |");
      for (size_t field = 1; field < lines[i].size(); ++field) {
        absl::StrAppend(&out, " ---: |");
      }
      out.push_back('\n');
    }
  }
  return out;
}

}  // namespace rwku::report
