#include "benchmark/report/published.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "base/check.h"
#include "benchmark/report/embedded.h"

namespace rwku::report {
namespace {

using Json = nlohmann::json;

std::string Simplified(absl::string_view name) {
  std::string text;
  for (const char c : name) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      text.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    }
  }
  return text;
}

absl::Status CheckRows(const Published& published) {
  for (const PublishedTable& table : published.tables) {
    for (const PublishedRow& row : table.rows) {
      if (row.values.size() != published.columns.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("published tables: ", table.model, ", row \"", row.name, "\": found ",
                         row.values.size(), " values, allowed: one for each of the ",
                         published.columns.size(), " columns"));
      }
    }
  }
  return absl::OkStatus();
}

PublishedTable TableOf(const Json& json) {
  PublishedTable table;
  json.at("model").get_to(table.model);
  json.at("table").get_to(table.table);
  json.at("names").get_to(table.names);
  json.at("names_with").get_to(table.names_with);
  for (const Json& row : json.at("rows")) {
    PublishedRow& out = table.rows.emplace_back();
    row.at("name").get_to(out.name);
    row.at("method").get_to(out.method);
    row.at("tuning").get_to(out.tuning);
    row.at("values").get_to(out.values);
  }
  return table;
}

}  // namespace

absl::StatusOr<Published> ParsePublished(absl::string_view json) {
  Published published;
  try {
    const Json document = Json::parse(json.begin(), json.end());
    document.at("source").get_to(published.source);
    document.at("arxiv").get_to(published.arxiv);
    document.at("columns").get_to(published.columns);
    for (const Json& table : document.at("tables")) {
      published.tables.push_back(TableOf(table));
    }
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("published tables: ", error.what()));
  }
  if (absl::Status status = CheckRows(published); !status.ok()) {
    return status;
  }
  return published;
}

Published BuiltinPublished() {
  absl::StatusOr<Published> published = ParsePublished(PublishedJson());
  RWKU_CHECK(published.ok());
  return *std::move(published);
}

const PublishedTable* FindPublishedTable(const Published& published, absl::string_view model) {
  const absl::string_view folder = model.substr(0, model.find_last_not_of('/') + 1);
  const std::string name = Simplified(folder.substr(folder.rfind('/') + 1));
  for (const PublishedTable& table : published.tables) {
    const bool equal = std::find(table.names.begin(), table.names.end(), name) != table.names.end();
    const bool holds =
        std::any_of(table.names_with.begin(), table.names_with.end(),
                    [&](const std::string& part) { return absl::StrContains(name, part); });
    if (equal || holds) {
      return &table;
    }
  }
  return nullptr;
}

const PublishedRow* FindPublishedRow(const PublishedTable& table, absl::string_view method,
                                     absl::string_view tuning) {
  for (const PublishedRow& row : table.rows) {
    if (absl::string_view(row.method) == method &&
        (row.tuning.empty() || absl::string_view(row.tuning) == tuning)) {
      return &row;
    }
  }
  return nullptr;
}

int AttachPublished(const Published& published, absl::string_view model, ReportTable& table) {
  int found = 0;
  for (ReportRow& row : table.rows) {
    if (!row.recipe.group.empty()) {
      continue;  // the tables are of single targets
    }
    const PublishedTable* const of_model =
        FindPublishedTable(published, model.empty() ? absl::string_view(row.recipe.model) : model);
    const PublishedRow* const counterpart =
        of_model == nullptr ? nullptr
                            : FindPublishedRow(*of_model, row.recipe.method, row.recipe.tuning);
    if (counterpart == nullptr) {
      continue;
    }
    ++found;
    row.published = counterpart->name;
    for (size_t i = 0; i < published.columns.size(); ++i) {
      const std::optional<size_t> column = FindColumn(table, published.columns[i]);
      if (column) {
        row.cells[*column].published = counterpart->values[i];
      }
    }
    table.source = absl::StrCat(published.source, ", arXiv:", published.arxiv);
  }
  return found;
}

}  // namespace rwku::report
