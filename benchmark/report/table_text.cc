#include "benchmark/report/table_text.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/utf8.h"

namespace rwku::report {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

// Whether no digit of the printed number differs from 0: "-0.0" is not to be read as below zero.
bool IsZero(absl::string_view digits) {
  return digits.find_first_not_of("0.") == absl::string_view::npos;
}

template <typename Predicate>
bool AnyCell(const ReportTable& table, Predicate predicate) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const ReportRow& row) {
    return std::any_of(row.cells.begin(), row.cells.end(), predicate);
  });
}

}  // namespace

std::string FigureText(std::optional<double> value, int decimals, absl::string_view minus) {
  if (!value) {
    return std::string(kMissing);
  }
  const std::string digits = absl::StrFormat("%.*f", decimals, std::abs(*value));
  return *value < 0 && !IsZero(digits) ? absl::StrCat(minus, digits) : digits;
}

std::string DifferenceText(std::optional<double> value, int decimals, absl::string_view minus) {
  std::string text = FigureText(value, decimals, minus);
  return value && *value > 0 && !IsZero(text) ? absl::StrCat("+", text) : text;
}

std::string IntervalText(const ReportCell& cell, int decimals, absl::string_view minus) {
  if (!cell.low || !cell.high) {
    return "";
  }
  return absl::StrCat("[", FigureText(cell.low, decimals, minus), ", ",
                      FigureText(cell.high, decimals, minus), "]");
}

std::optional<double> PublishedDifference(const ReportCell& cell) {
  if (!cell.value || !cell.published) {
    return std::nullopt;
  }
  return *cell.value - *cell.published;
}

bool HasPublished(const ReportRow& row) {
  return std::any_of(row.cells.begin(), row.cells.end(),
                     [](const ReportCell& cell) { return cell.published.has_value(); });
}

bool HasFigure(const ReportTable& table) {
  return AnyCell(table, [](const ReportCell& cell) { return cell.value.has_value(); });
}

bool IsShown(const ReportTable& table) { return table.key == "main" || HasFigure(table); }

bool HasInterval(const ReportTable& table) {
  return AnyCell(
      table, [](const ReportCell& cell) { return cell.low.has_value() && cell.high.has_value(); });
}

std::string CountText(const ReportTable& table, size_t column, int ReportCell::*count,
                      absl::string_view dash) {
  int least = 0;
  int most = 0;
  bool first = true;
  for (const ReportRow& row : table.rows) {
    const int value = row.cells[column].*count;
    least = first ? value : std::min(least, value);
    most = first ? value : std::max(most, value);
    first = false;
  }
  return least == most ? absl::StrCat(most) : absl::StrCat(least, dash, most);
}

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

std::vector<std::string> JobRemarks(const ReportTable& table) {
  const std::vector<std::string> labels = RowLabels(table);
  std::vector<std::string> lines;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const ReportRow& row = table.rows[i];
    if (row.jobs_succeeded != row.jobs) {
      lines.push_back(absl::StrCat(labels[i], ": ", row.jobs_succeeded, " of ", row.jobs,
                                   " jobs succeeded; the others are missing from its figures"));
    }
    if (row.jobs_collapsed > 0) {
      lines.push_back(absl::StrCat(labels[i], ": ", row.jobs_collapsed, " of ", row.jobs,
                                   " jobs collapsed; their training stopped early, and their "
                                   "figures are of the weights as they then were"));
    }
  }
  return lines;
}

std::vector<ColumnGroup> ColumnGroups(const ReportTable& table) {
  std::vector<ColumnGroup> groups;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (groups.empty() || groups.back().title != table.columns[i].group) {
      groups.push_back({table.columns[i].group, i, 0});
    }
    ++groups.back().count;
  }
  return groups;
}

absl::string_view RowHead(const ReportTable& table) {
  return table.key == "targets" ? "Target" : table.key == "curve" ? "Checkpoint" : "Method";
}

std::string TableTitle(const ReportTable& table) {
  if (table.key == "targets") {
    return absl::StrCat("Per target: ", table.title);
  }
  return table.key == "curve" ? absl::StrCat("Curve: ", table.title) : table.title;
}

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    if (length == 0) {
      absl::StrAppend(&out, kReplacement);
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(text.front()))) {
      out.push_back(' ');
    } else {
      absl::StrAppend(&out, text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace rwku::report
