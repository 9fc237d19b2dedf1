// Which score of which probe sets each column of the tables shows.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/dataset/probe_set.h"
#include "benchmark/report/report.h"

namespace rwku::report {

struct ColumnSpec {
  ReportColumn column;
  std::string score;  // name of the score
  double factor = 1;  // of the score in the figure
  std::vector<dataset::ProbeSet> probe_sets;
  // The figure is the AUC of the score, forget texts against retain texts, in place of its mean.
  bool is_auc = false;
};

// A table whose columns are known in advance.
struct TableSpec {
  std::string key;
  std::string title;
  std::string caption;
  std::vector<ColumnSpec> columns;
};

inline constexpr absl::string_view kMainTable = "main";
inline constexpr absl::string_view kAttackTable = "attack_types";
inline constexpr absl::string_view kRecallScore = "rouge_l_recall";

// In the order of Report::tables. The attack table has no columns here: its columns are probe
// types.
std::vector<TableSpec> TableSpecs();

// The columns of the main table, in order: forget_fb, forget_qa, forget_aa, forget_all,
// neighbor_fb, neighbor_qa, neighbor_all, mia_forget, mia_retain, gen, rea, tru, fac, flu.
std::vector<ReportColumn> SummaryColumns();

// The nine attack types under their canonical names, in the paper's order.
std::vector<std::string> AttackTypes();

// "attack_prefix_injection", "Prefix injection".
ReportColumn AttackColumn(absl::string_view type);

}  // namespace rwku::report
