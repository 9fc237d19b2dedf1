#include "benchmark/report/report.h"

#include <algorithm>

namespace rwku::report {

const ReportTable* FindTable(const Report& report, absl::string_view key) {
  const auto found =
      std::find_if(report.tables.begin(), report.tables.end(),
                   [&](const ReportTable& table) { return absl::string_view(table.key) == key; });
  return found == report.tables.end() ? nullptr : &*found;
}

std::optional<size_t> FindColumn(const ReportTable& table, absl::string_view key) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (absl::string_view(table.columns[i].key) == key) {
      return i;
    }
  }
  return std::nullopt;
}

bool IsOriginal(const ReportRow& row) {
  return (row.recipe.method.empty() ? row.label : row.recipe.method) == "original";
}

}  // namespace rwku::report
