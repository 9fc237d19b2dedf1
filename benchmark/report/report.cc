#include "benchmark/report/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace rwku::report {
namespace {

using ::rwku::dataset::ProbeSet;

constexpr absl::string_view kRecall = "rouge_l_recall";
constexpr absl::string_view kLoss = "loss";

struct ColumnSpec {
  const char* key;
  const char* title;
  const char* group;
  bool higher_is_better;
  absl::string_view score;
  double factor;  // of the score in the figure
  std::array<std::optional<ProbeSet>, 3> probe_sets;
};

// The score "loss" is minus the mean negative log-likelihood; the paper prints the latter.
constexpr double kPercent = 100.0;
constexpr std::array<ColumnSpec, 9> kColumns = {{
    {"forget_fb", "FB", "Forget", false, kRecall, kPercent, {ProbeSet::kForgetLevel1}},
    {"forget_qa", "QA", "Forget", false, kRecall, kPercent, {ProbeSet::kForgetLevel2}},
    {"forget_aa", "AA", "Forget", false, kRecall, kPercent, {ProbeSet::kForgetLevel3}},
    {"forget_all",
     "All",
     "Forget",
     false,
     kRecall,
     kPercent,
     {ProbeSet::kForgetLevel1, ProbeSet::kForgetLevel2, ProbeSet::kForgetLevel3}},
    {"neighbor_fb", "FB", "Neighbor", true, kRecall, kPercent, {ProbeSet::kNeighborLevel1}},
    {"neighbor_qa", "QA", "Neighbor", true, kRecall, kPercent, {ProbeSet::kNeighborLevel2}},
    {"neighbor_all",
     "All",
     "Neighbor",
     true,
     kRecall,
     kPercent,
     {ProbeSet::kNeighborLevel1, ProbeSet::kNeighborLevel2}},
    {"mia_forget", "FM", "MIA", true, kLoss, -kPercent, {ProbeSet::kForgetMia}},
    {"mia_retain", "RM", "MIA", false, kLoss, -kPercent, {ProbeSet::kRetainMia}},
}};

bool Measures(const ColumnSpec& column, ProbeSet set, absl::string_view score) {
  return column.score == score && std::find(column.probe_sets.begin(), column.probe_sets.end(),
                                            set) != column.probe_sets.end();
}

// Summed from the smallest up, so that the order of arrival changes no bit.
double Mean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::vector<ReportColumn> SummaryColumns() {
  std::vector<ReportColumn> columns;
  columns.reserve(kColumns.size());
  for (const ColumnSpec& column : kColumns) {
    columns.push_back({column.key, column.title, column.group, column.higher_is_better});
  }
  return columns;
}

ReportBuilder::ReportBuilder(std::string title) : title_(std::move(title)) {}

size_t ReportBuilder::AddRow(std::string label, std::string run, int jobs_succeeded, int jobs) {
  rows_.push_back({std::move(label), std::move(run), jobs_succeeded, jobs,
                   std::vector<TargetValues>(kColumns.size())});
  return rows_.size() - 1;
}

void ReportBuilder::Add(size_t row, const evaluate::Prediction& prediction) {
  for (const evaluate::Score& score : prediction.scores) {
    AddScore(row, prediction.target, prediction.probe_set, score.name, score.value);
  }
}

void ReportBuilder::AddScore(size_t row, absl::string_view target, dataset::ProbeSet probe_set,
                             absl::string_view name, std::optional<double> value) {
  RWKU_CHECK(row < rows_.size());
  if (!value.has_value() || !std::isfinite(*value)) {
    return;
  }
  const std::string target_name(target);
  for (size_t i = 0; i < kColumns.size(); ++i) {
    if (Measures(kColumns.at(i), probe_set, name)) {
      rows_[row].columns[i][target_name].push_back(*value);
    }
  }
}

ReportTable ReportBuilder::Build() const {
  ReportTable table{title_, SummaryColumns(), {}};
  for (const Row& row : rows_) {
    ReportRow& out = table.rows.emplace_back();
    out.label = row.label;
    out.run = row.run;
    out.jobs_succeeded = row.jobs_succeeded;
    out.jobs = row.jobs;
    for (size_t i = 0; i < kColumns.size(); ++i) {
      ReportCell& cell = out.cells.emplace_back();
      std::vector<double> of_targets;
      for (const auto& [target, values] : row.columns[i]) {
        of_targets.push_back(Mean(values));
        cell.count += static_cast<int>(values.size());
      }
      cell.targets = static_cast<int>(of_targets.size());
      if (!of_targets.empty()) {
        cell.value = kColumns.at(i).factor * Mean(std::move(of_targets));
      }
    }
  }
  return table;
}

}  // namespace rwku::report
