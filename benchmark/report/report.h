// The tables of a report as data: what the builder computes and the renderers print.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/report/selection.h"

namespace rwku::report {

struct ReportCell {
  std::optional<double>
      value;        // as the paper prints it (x100); nullopt: nothing to compute it from
  int count = 0;    // probes or texts that the figure was computed from
  int targets = 0;  // targets among them
  // 95 % bootstrap interval over targets, on the scale of `value`; both or neither.
  std::optional<double> low = std::nullopt;
  std::optional<double> high = std::nullopt;
  std::optional<double> published = std::nullopt;  // the paper's figure, on the same scale
};

struct ReportColumn {
  std::string key;    // stable: "forget_fb"
  std::string title;  // as printed: "FB"
  std::string group;  // printed above: "Forget"
  bool higher_is_better = false;
  int decimals = 1;  // in print
};

// What a row ran, for finding its published counterpart; each may be empty.
struct RowRecipe {
  std::string model = {};   // name of the model: "llama-3-8b-instruct"
  std::string method = {};  // "original", "ga"
  std::string tuning = {};  // "full", "lora"; empty or "none" for a method that does not train
  std::string group = {};   // of targets, forgotten by one job: "1-10"; empty for single targets
};

struct ReportRow {
  // Of the recipe, and of the group behind it: "ga 1-10". The target's name in a per-target table,
  // "epoch 1" or "end" in a curve.
  std::string label;
  std::string run;                // "runs/{run}"
  std::vector<ReportCell> cells;  // one a column, in the table's order
  int jobs_succeeded = 0;
  int jobs = 0;
  RowRecipe recipe = {};
  std::string published = {};  // name of the row in the paper: "GA (Full)"; empty without one
  int jobs_collapsed = 0;      // of jobs_succeeded: whose training stopped early
};

struct ReportTable {
  std::string title;
  std::vector<ReportColumn> columns;
  std::vector<ReportRow> rows;
  std::string key = {};      // stable: "main"; empty for a table by itself
  std::string caption = {};  // one or two sentences on how to read it
  std::string source = {};   // of the published figures
};

// Everything that a report shows.
struct Report {
  std::string title;
  std::vector<std::string> notes;  // e.g. that the scores come from two metric versions
  // "main", "attack_types", "mia_forget", "mia_retain", "mia_auc", "utility", "degeneracy",
  // "memorization", in this order.
  std::vector<ReportTable> tables;
  // One a row of the main table, in its order: the main table's columns with targets as rows,
  // titled with the row's label.
  std::vector<ReportTable> targets;
  // One a row of the main table that was evaluated on the way, in its order: the main table's
  // columns with checkpoints as rows, the last one as "end"; titled with the row's label.
  std::vector<ReportTable> curves = {};
  std::optional<Selection> selection = std::nullopt;  // where it was asked for
};

// The table of that key, or nullptr.
const ReportTable* FindTable(const Report& report, absl::string_view key);

// Position of the column of that key.
std::optional<size_t> FindColumn(const ReportTable& table, absl::string_view key);

// Whether the row shows the model before unlearning: its method is "original", or that is its label
// where the method is unknown.
bool IsOriginal(const ReportRow& row);

}  // namespace rwku::report
