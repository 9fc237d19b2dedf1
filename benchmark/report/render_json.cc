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
    if (row.jobs_collapsed > 0) {
      out["jobs_collapsed"] = row.jobs_collapsed;
    }
    if (!row.recipe.group.empty()) {
      out["group"] = row.recipe.group;
    }
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

Json SelectionOf(const Selection& selection) {
  Json arms = Json::array();
  for (const SelectionArm& arm : selection.arms) {
    arms.push_back({{"label", arm.label},
                    {"run", arm.run},
                    {"forget", Number(arm.forget)},
                    {"neighbor", Number(arm.neighbor)},
                    {"neighbor_share", Number(arm.neighbor_share)},
                    {"utility_share", Number(arm.utility_share)},
                    {"on_front", arm.on_front},
                    {"within_budget", arm.within_budget},
                    {"selected", arm.selected},
                    {"excluded", arm.excluded}});
  }
  return {{"neighbor_budget", selection.budget.neighbor},
          {"utility_budget", selection.budget.utility},
          {"arms", std::move(arms)}};
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
  Json document = {{"title", report.title},
                   {"notes", report.notes},
                   {"tables", KeyedTables(report.tables)},
                   {"targets", KeyedTables(report.targets)},
                   {"curves", KeyedTables(report.curves)}};
  if (report.selection) {
    document["selection"] = SelectionOf(*report.selection);
  }
  return Dump(document);
}

}  // namespace rwku::report
