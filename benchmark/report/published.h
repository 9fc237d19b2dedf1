// The paper's tables, to stand beside ours. They are data (published.json), compiled in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/report/report.h"

namespace rwku::report {

struct PublishedRow {
  std::string name;            // as printed: "GA (Full)"
  std::string method;          // as a recipe names it: "ga"
  std::string tuning;          // "full", "lora" or empty
  std::vector<double> values;  // x100 as printed, one a column
};

struct PublishedTable {
  std::string model;                    // "Llama-3-8B-Instruct"
  std::string table;                    // "Table 1"
  std::vector<std::string> names;       // the model's names, without case and punctuation
  std::vector<std::string> names_with;  // parts that make a longer name this model's
  std::vector<PublishedRow> rows;
};

struct Published {
  std::string source;                // citation
  std::string arxiv;                 // "2406.10890"
  std::vector<std::string> columns;  // keys of the main table's columns
  std::vector<PublishedTable> tables;
};

// INVALID_ARGUMENT naming the field for text that is no such document, or a row whose values do not
// match the columns.
absl::StatusOr<Published> ParsePublished(absl::string_view json);

// The tables compiled in.
Published BuiltinPublished();

// The table of a model's name or path ("meta-llama/Meta-Llama-3-8B-Instruct", "llama3",
// "Phi-3-mini-4k-instruct"), or nullptr. Other sizes and versions are other models.
const PublishedTable* FindPublishedTable(const Published& published, absl::string_view model);

// The row of a method ("ga", "original"; "ga-passage" for GA*) and tuning ("full", "lora"; ignored
// for methods that do not train), or nullptr.
const PublishedRow* FindPublishedRow(const PublishedTable& table, absl::string_view method,
                                     absl::string_view tuning);

// Fills in `published` of the main table's rows and cells and the table's source, for rows whose
// recipe has a counterpart. `model` stands for the rows' own where not empty. Returns the number of
// rows found.
int AttachPublished(const Published& published, absl::string_view model, ReportTable& table);

}  // namespace rwku::report
