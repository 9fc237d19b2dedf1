// Tables as JSON.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "benchmark/report/render.h"

namespace rwku::report {
namespace {

using Json = nlohmann::ordered_json;

Json Number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

void AddColumnsAndRows(const ReportTable& table, Json& document) {
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
          {"value", Number(cell.value)}, {"count", cell.count},
          {"targets", cell.targets},     {"low", Number(cell.low)},
          {"high", Number(cell.high)},   {"published", Number(cell.published)}};
    }
    Json out = {{"label", row.label},
                {"run", row.run},
                {"jobs_succeeded", row.jobs_succeeded},
                {"jobs", row.jobs}};
    if (!row.published.empty()) {
      out["published"] = row.published;
    }
    out["cells"] = std::move(cells);
    rows.push_back(std::move(out));
  }
  document["columns"] = std::move(columns);
  document["rows"] = std::move(rows);
}

Json KeyedTables(const std::vector<ReportTable>& tables) {
  Json array = Json::array();
  for (const ReportTable& table : tables) {
    Json& out = array.emplace_back(Json{{"key", table.key},
                                        {"title", table.title},
                                        {"caption", table.caption},
                                        {"source", table.source}});
    AddColumnsAndRows(table, out);
  }
  return array;
}

// Bytes that are no UTF-8 are replaced: a bad label must not cost the table.
std::string Dump(const Json& document) {
  return absl::StrCat(document.dump(2, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace

std::string RenderJson(const ReportTable& table) {
  Json document = {{"title", table.title}};
  AddColumnsAndRows(table, document);
  return Dump(document);
}

std::string RenderJson(const Report& report) {
  return Dump({{"title", report.title},
               {"notes", report.notes},
               {"tables", KeyedTables(report.tables)},
               {"targets", KeyedTables(report.targets)}});
}

}  // namespace rwku::report
