// Tables as CSV.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "benchmark/report/render.h"

namespace rwku::report {
namespace {

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

// 17 digits: reads back as the same double.
std::string Number(const std::optional<double>& value) {
  return value ? absl::StrFormat("%.17g", *value) : "";
}

// The lines of an arm; yes is 1, no is 0.
void AppendArm(const SelectionArm& arm, std::string& out) {
  const auto append = [&](const char* column, const std::string& value) {
    AppendCsvLine({"selection", arm.label, arm.run, "", column, value, "", "", "", "", ""}, out);
  };
  append("forget_all", Number(arm.forget));
  append("neighbor_all", Number(arm.neighbor));
  append("neighbor_share", Number(arm.neighbor_share));
  append("utility_share", Number(arm.utility_share));
  append("on_front", arm.on_front ? "1" : "0");
  append("within_budget", arm.within_budget ? "1" : "0");
  append("selected", arm.selected ? "1" : "0");
  append("excluded", arm.excluded);
}

}  // namespace

std::string RenderCsv(const ReportTable& table) {
  std::string out;
  std::vector<std::string> fields = {"label", "run", "jobs_succeeded", "jobs"};
  for (const ReportColumn& column : table.columns) {
    fields.push_back(column.key);
    for (const char* const suffix : {"_n", "_targets", "_low", "_high", "_published"}) {
      fields.push_back(absl::StrCat(column.key, suffix));
    }
  }
  AppendCsvLine(fields, out);
  for (const ReportRow& row : table.rows) {
    fields = {row.label, row.run, absl::StrCat(row.jobs_succeeded), absl::StrCat(row.jobs)};
    for (const ReportCell& cell : row.cells) {
      fields.insert(fields.end(),
                    {Number(cell.value), absl::StrCat(cell.count), absl::StrCat(cell.targets),
                     Number(cell.low), Number(cell.high), Number(cell.published)});
    }
    AppendCsvLine(fields, out);
  }
  return out;
}

std::string RenderCsv(const Report& report) {
  std::string out;
  AppendCsvLine({"table", "label", "run", "target", "column", "value", "low", "high", "n",
                 "targets", "published"},
                out);
  for (const std::vector<ReportTable>* tables : {&report.tables, &report.curves, &report.targets}) {
    for (const ReportTable& table : *tables) {
      const bool per_target = tables == &report.targets;
      for (const ReportRow& row : table.rows) {
        for (size_t i = 0; i < row.cells.size(); ++i) {
          const ReportCell& cell = row.cells[i];
          AppendCsvLine({table.key, per_target ? table.title : row.label, row.run,
                         per_target ? row.label : "", table.columns[i].key, Number(cell.value),
                         Number(cell.low), Number(cell.high), absl::StrCat(cell.count),
                         absl::StrCat(cell.targets), Number(cell.published)},
                        out);
        }
      }
    }
  }
  if (report.selection) {
    for (const SelectionArm& arm : report.selection->arms) {
      AppendArm(arm, out);
    }
  }
  return out;
}

}  // namespace rwku::report
