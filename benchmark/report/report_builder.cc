#include "benchmark/report/report_builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/check.h"
#include "benchmark/dataset/probe_type.h"
#include "benchmark/metrics/auc.h"

namespace rwku::report {
namespace {

using ::rwku::dataset::ProbeSet;

constexpr double kPercent = 100.0;

template <typename T>
T& Grown(std::vector<T>& items, size_t at) {
  if (items.size() <= at) {
    items.resize(at + 1);
  }
  return items[at];
}

ReportCell CellOf(const std::vector<double>& values, int count,
                  const std::optional<Interval>& interval) {
  ReportCell cell;
  cell.count = count;
  cell.targets = static_cast<int>(values.size());
  if (values.empty()) {
    return cell;
  }
  // Summed in the order of target names: the order of arrival changes no bit.
  ExactSum sum;
  for (const double value : values) {
    sum.Add(value);
  }
  cell.value = sum.Mean();
  if (interval) {
    cell.low = interval->low;
    cell.high = interval->high;
  }
  return cell;
}

ReportTable EmptyTable(const TableSpec& spec) {
  ReportTable table{spec.title, {}, {}, spec.key, spec.caption};
  for (const ColumnSpec& column : spec.columns) {
    table.columns.push_back(column.column);
  }
  return table;
}

}  // namespace

ReportBuilder::ReportBuilder(std::string title, BootstrapOptions bootstrap)
    : title_(std::move(title)), bootstrap_(bootstrap), tables_(TableSpecs()) {
  for (const TableSpec& table : tables_) {
    for (const ColumnSpec& column : table.columns) {
      SetColumns& sets = by_score_[column.score];
      for (const ProbeSet set : column.probe_sets) {
        sets.at(static_cast<size_t>(set)).push_back(static_cast<uint32_t>(columns_.size()));
      }
      columns_.push_back(&column);
    }
  }
}

size_t ReportBuilder::AddRow(std::string label, std::string run, int jobs_succeeded, int jobs,
                             RowRecipe recipe, int jobs_collapsed) {
  Row& row = rows_.emplace_back();
  row.head.label = std::move(label);
  row.head.run = std::move(run);
  row.head.jobs_succeeded = jobs_succeeded;
  row.head.jobs = jobs;
  row.head.jobs_collapsed = jobs_collapsed;
  row.head.recipe = std::move(recipe);
  row.columns.resize(columns_.size());
  row.texts.resize(columns_.size());
  return rows_.size() - 1;
}

void ReportBuilder::Add(size_t row, const evaluate::Prediction& prediction) {
  for (const evaluate::Score& score : prediction.scores) {
    AddScore(row, prediction.target, prediction.probe_set, prediction.type, score.name,
             score.value);
  }
}

void ReportBuilder::AddScore(size_t row, absl::string_view target, ProbeSet probe_set,
                             absl::string_view type, absl::string_view name,
                             std::optional<double> value) {
  RWKU_CHECK(row < rows_.size());
  if (!value.has_value() || !std::isfinite(*value)) {
    return;
  }
  const auto found = by_score_.find(name);
  if (found == by_score_.end()) {
    return;
  }
  const uint32_t number = TargetNumber(target);
  Row& to = rows_[row];
  for (const uint32_t column : found->second.at(static_cast<size_t>(probe_set))) {
    if (columns_[column]->is_auc) {
      Texts& texts = Grown(to.texts[column], number);
      (probe_set == ProbeSet::kForgetMia ? texts.forget : texts.retain).push_back(*value);
    } else {
      Grown(to.columns[column], number).Add(*value);
    }
  }
  if (probe_set == ProbeSet::kForgetLevel3 && name == kRecallScore) {
    std::string attack = dataset::CanonicalProbeType(type);
    if (attack.empty()) {
      attack = "no type";
    }
    Grown(to.attacks[attack], number).Add(*value);
  }
}

uint32_t ReportBuilder::TargetNumber(absl::string_view target) {
  if (!targets_.empty() && target == absl::string_view(targets_[last_target_])) {
    return last_target_;
  }
  const auto [found, is_new] =
      target_numbers_.try_emplace(std::string(target), static_cast<uint32_t>(targets_.size()));
  if (is_new) {
    targets_.emplace_back(target);
  }
  last_target_ = found->second;
  return last_target_;
}

std::vector<uint32_t> ReportBuilder::SortedTargets() const {
  std::vector<uint32_t> targets(targets_.size());
  std::iota(targets.begin(), targets.end(), 0);
  std::sort(targets.begin(), targets.end(),
            [this](uint32_t a, uint32_t b) { return targets_[a] < targets_[b]; });
  return targets;
}

ReportBuilder::Figure ReportBuilder::FigureOf(const Row& row, size_t column,
                                              const std::vector<uint32_t>& targets) const {
  const ColumnSpec& spec = *columns_[column];
  Figure figure;
  for (const uint32_t target : targets) {
    if (spec.is_auc) {
      if (target >= row.texts[column].size()) {
        continue;
      }
      const Texts& texts = row.texts[column][target];
      const std::optional<double> auc = metrics::AreaUnderRoc(texts.forget, texts.retain);
      if (auc) {
        figure.values.push_back(spec.factor * *auc);
        figure.count += static_cast<int>(texts.forget.size() + texts.retain.size());
      }
    } else if (target < row.columns[column].size() && row.columns[column][target].count() > 0) {
      figure.values.push_back(spec.factor * row.columns[column][target].Mean());
      figure.count += static_cast<int>(row.columns[column][target].count());
    }
  }
  return figure;
}

ReportBuilder::Figure ReportBuilder::AttackFigure(const Row& row, const std::string& type,
                                                  const std::vector<uint32_t>& targets) {
  Figure figure;
  const auto found = row.attacks.find(type);
  if (found == row.attacks.end()) {
    return figure;
  }
  for (const uint32_t target : targets) {
    if (target < found->second.size() && found->second[target].count() > 0) {
      figure.values.push_back(kPercent * found->second[target].Mean());
      figure.count += static_cast<int>(found->second[target].count());
    }
  }
  return figure;
}

std::vector<std::string> ReportBuilder::AttackColumnTypes() const {
  std::vector<std::string> types = AttackTypes();
  const std::set<std::string> known(types.begin(), types.end());
  std::set<std::string> others;
  for (const Row& row : rows_) {
    for (const auto& [type, sums] : row.attacks) {
      if (!known.contains(type)) {
        others.insert(type);
      }
    }
  }
  types.insert(types.end(), others.begin(), others.end());
  return types;
}

ReportTable ReportBuilder::TargetTable(const Row& row, const std::vector<uint32_t>& targets) const {
  ReportTable table{row.head.label, SummaryColumns(), {}, "targets"};
  for (const uint32_t target : targets) {
    ReportRow of_target;
    of_target.label = targets_[target];
    of_target.run = row.head.run;
    bool empty = true;
    for (size_t column = 0; column < table.columns.size(); ++column) {
      const Figure figure = FigureOf(row, column, {target});
      empty = empty && figure.values.empty();
      of_target.cells.push_back(CellOf(figure.values, figure.count, std::nullopt));
    }
    if (!empty) {
      table.rows.push_back(std::move(of_target));
    }
  }
  return table;
}

ReportTable ReportBuilder::Build() const {
  const std::vector<uint32_t> targets = SortedTargets();
  ReportTable table = EmptyTable(tables_.front());
  table.title = title_;
  Bootstrap bootstrap(bootstrap_);
  for (const Row& row : rows_) {
    std::vector<std::vector<double>> values;
    std::vector<int> counts;
    for (size_t column = 0; column < table.columns.size(); ++column) {
      Figure figure = FigureOf(row, column, targets);
      values.push_back(std::move(figure.values));
      counts.push_back(figure.count);
    }
    const std::vector<std::optional<Interval>> intervals = bootstrap.Intervals(values);
    ReportRow& out = table.rows.emplace_back(row.head);
    for (size_t column = 0; column < table.columns.size(); ++column) {
      out.cells.push_back(CellOf(values[column], counts[column], intervals[column]));
    }
  }
  return table;
}

Report ReportBuilder::BuildReport() const {
  Report report{title_, {}, {}, {}};
  const std::vector<uint32_t> targets = SortedTargets();
  const std::vector<std::string> attacks = AttackColumnTypes();
  for (const TableSpec& spec : tables_) {
    report.tables.push_back(EmptyTable(spec));
    if (spec.key == std::string(kAttackTable)) {
      for (const std::string& type : attacks) {
        report.tables.back().columns.push_back(AttackColumn(type));
      }
    }
  }
  Bootstrap bootstrap(bootstrap_);
  for (const Row& row : rows_) {
    // All columns of a row in one go: they share their resamples.
    std::vector<std::vector<double>> values;
    std::vector<int> counts;
    const auto add = [&](Figure figure) {
      values.push_back(std::move(figure.values));
      counts.push_back(figure.count);
    };
    size_t column = 0;
    for (const TableSpec& spec : tables_) {
      for (size_t i = 0; i < spec.columns.size(); ++i, ++column) {
        add(FigureOf(row, column, targets));
      }
      if (spec.key == std::string(kAttackTable)) {
        for (const std::string& type : attacks) {
          add(AttackFigure(row, type, targets));
        }
      }
    }
    const std::vector<std::optional<Interval>> intervals = bootstrap.Intervals(values);
    size_t next = 0;
    for (ReportTable& table : report.tables) {
      ReportRow& out = table.rows.emplace_back(row.head);
      for (size_t i = 0; i < table.columns.size(); ++i, ++next) {
        out.cells.push_back(CellOf(values[next], counts[next], intervals[next]));
      }
    }
    report.targets.push_back(TargetTable(row, targets));
  }
  return report;
}

}  // namespace rwku::report
