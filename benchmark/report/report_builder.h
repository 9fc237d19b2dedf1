// From scores to tables: means over the probes of a target, then over targets.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "benchmark/dataset/probe_set.h"
#include "benchmark/evaluate/prediction.h"
#include "benchmark/report/bootstrap.h"
#include "benchmark/report/columns.h"
#include "benchmark/report/exact_sum.h"
#include "benchmark/report/report.h"

namespace rwku::report {

// Gathers scores and computes the tables. A figure is the factor of its column times the mean over
// the probes of a target, then over targets; an AUC is taken within a target, then averaged. Keeps
// a sum a row, column and target, and the scores of membership texts: about 6 KB a target and row,
// plus 300 bytes a text. The order in which scores come changes no bit of the result. Not
// thread-safe.
class ReportBuilder {
 public:
  explicit ReportBuilder(std::string title, BootstrapOptions bootstrap = {});
  ReportBuilder(const ReportBuilder&) = delete;
  ReportBuilder& operator=(const ReportBuilder&) = delete;

  // Starts a row, in the order of the table; returns its number for Add. A row without predictions
  // stays in the table with missing cells.
  size_t AddRow(std::string label, std::string run, int jobs_succeeded, int jobs,
                RowRecipe recipe = {}, int jobs_collapsed = 0);

  // Adds the scores of one prediction to row `row` (from AddRow). Scores that no table has a column
  // for are left out; so are missing and non-finite values.
  void Add(size_t row, const evaluate::Prediction& prediction);

  // The same for one score by itself. `type` is the probe's type in any spelling; it matters for
  // forget_level3 only.
  void AddScore(size_t row, absl::string_view target, dataset::ProbeSet probe_set,
                absl::string_view type, absl::string_view name, std::optional<double> value);

  // The main table alone.
  ReportTable Build() const;

  // Every table. Attack types beyond the nine follow them by name.
  Report BuildReport() const;

 private:
  using TargetSums = std::vector<ExactSum>;  // by target number; may be shorter than targets_
  // The texts of one target under one membership score.
  struct Texts {
    std::vector<double> forget;
    std::vector<double> retain;
  };
  struct Row {
    ReportRow head;                             // without cells
    std::vector<TargetSums> columns;            // by column number
    std::vector<std::vector<Texts>> texts;      // by column number (AUC only), then target
    std::map<std::string, TargetSums> attacks;  // by canonical type
  };
  // A figure of each target that has it, in the order of target names, and what is behind it.
  struct Figure {
    std::vector<double> values;
    int count = 0;
  };
  using SetColumns = std::array<std::vector<uint32_t>, dataset::kAllProbeSets.size()>;

  uint32_t TargetNumber(absl::string_view target);
  // Targets by name.
  std::vector<uint32_t> SortedTargets() const;
  Figure FigureOf(const Row& row, size_t column, const std::vector<uint32_t>& targets) const;
  static Figure AttackFigure(const Row& row, const std::string& type,
                             const std::vector<uint32_t>& targets);
  std::vector<std::string> AttackColumnTypes() const;
  ReportTable TargetTable(const Row& row, const std::vector<uint32_t>& targets) const;

  const std::string title_;
  const BootstrapOptions bootstrap_;
  const std::vector<TableSpec> tables_;
  std::vector<const ColumnSpec*> columns_;                 // of all tables, one after the other
  absl::flat_hash_map<std::string, SetColumns> by_score_;  // score -> set -> column numbers
  std::vector<Row> rows_;
  std::vector<std::string> targets_;
  absl::flat_hash_map<std::string, uint32_t> target_numbers_;
  uint32_t last_target_ = 0;  // predictions come target by target
};

}  // namespace rwku::report
