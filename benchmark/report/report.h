// The paper's table: figures of many predictions, averaged over probes within a target and then
// over targets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/dataset/probe_set.h"
#include "benchmark/evaluate/prediction.h"

namespace rwku::report {

struct ReportCell {
  std::optional<double>
      value;        // as the paper prints it (x100); nullopt: nothing to compute it from
  int count = 0;    // probes or texts that the figure was computed from
  int targets = 0;  // targets among them
};

struct ReportColumn {
  std::string key;    // stable: "forget_fb"
  std::string title;  // as printed: "FB"
  std::string group;  // printed above: "Forget"
  bool higher_is_better = false;
};

struct ReportRow {
  std::string label;              // of the recipe
  std::string run;                // "runs/{run}"
  std::vector<ReportCell> cells;  // one a column, in the table's order
  int jobs_succeeded = 0;
  int jobs = 0;
};

struct ReportTable {
  std::string title;
  std::vector<ReportColumn> columns;
  std::vector<ReportRow> rows;
};

// The columns of the summary table, in order: forget_fb, forget_qa, forget_aa, forget_all,
// neighbor_fb, neighbor_qa, neighbor_all, mia_forget, mia_retain.
std::vector<ReportColumn> SummaryColumns();

// Gathers scores and computes the table. Forget and neighbor figures are 100 x the mean ROUGE-L
// recall, "all" over all probes of the set's levels within a target; MIA figures are 100 x the mean
// negative log-likelihood, larger = less memorised. The order in which predictions come changes no
// bit of the result. Not thread-safe.
class ReportBuilder {
 public:
  explicit ReportBuilder(std::string title);

  // Starts a row, in the order of the table; returns its number for Add. A row without predictions
  // stays in the table with missing cells.
  size_t AddRow(std::string label, std::string run, int jobs_succeeded, int jobs);

  // Adds the scores of one prediction to row `row` (from AddRow). Probe sets and scores that the
  // table has no column for are left out; so are missing and non-finite values.
  void Add(size_t row, const evaluate::Prediction& prediction);

  // The same for one score by itself.
  void AddScore(size_t row, absl::string_view target, dataset::ProbeSet probe_set,
                absl::string_view name, std::optional<double> value);

  ReportTable Build() const;

 private:
  using TargetValues =
      std::map<std::string, std::vector<double>>;  // target -> values of its probes
  struct Row {
    std::string label;
    std::string run;
    int jobs_succeeded = 0;
    int jobs = 0;
    std::vector<TargetValues> columns;  // in the order of SummaryColumns()
  };

  std::string title_;
  std::vector<Row> rows_;
};

}  // namespace rwku::report
