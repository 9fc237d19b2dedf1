#include "server/service/run_report.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rwku/v1/worker.pb.h"

#include "benchmark/dataset/probe_set.h"
#include "benchmark/report/report.h"
#include "server/service/names.h"

namespace rwku::service {
namespace {

v1::ReportTable ToProto(const report::ReportTable& table) {
  v1::ReportTable proto;
  proto.set_title(table.title);
  for (const report::ReportColumn& column : table.columns) {
    v1::ReportColumn* out = proto.add_columns();
    out->set_key(column.key);
    out->set_title(column.title);
    out->set_group(column.group);
    out->set_higher_is_better(column.higher_is_better);
  }
  for (const report::ReportRow& row : table.rows) {
    v1::ReportRow* out = proto.add_rows();
    out->set_label(row.label);
    out->set_run(row.run);
    out->set_jobs(row.jobs);
    out->set_jobs_succeeded(row.jobs_succeeded);
    for (const report::ReportCell& cell : row.cells) {
      v1::ReportCell* figure = out->add_cells();
      if (cell.value) {
        figure->set_value(*cell.value);
      }
      figure->set_count(cell.count);
      figure->set_targets(cell.targets);
    }
  }
  return proto;
}

}  // namespace

absl::StatusOr<std::vector<ReportRowSource>> FindReportRows(const coordinator::View& view,
                                                            const RunId& run) {
  const scheduler::RunRecord* record = view.scheduler.FindRun(run);
  if (record == nullptr) {
    return RunNotFound(run);
  }
  v1::RunSpec spec;
  if (!spec.ParseFromString(record->payload)) {
    return absl::DataLossError(absl::StrCat("the stored spec of ", RunName(run), " is unreadable"));
  }
  std::vector<ReportRowSource> rows;
  std::map<std::string, size_t> by_label;
  for (const v1::Recipe& recipe : spec.recipes()) {
    by_label.emplace(recipe.label(), rows.size());
    rows.push_back({run, recipe.label(), 0, {}});
  }
  for (const scheduler::JobRecord* job : view.scheduler.Jobs(run)) {
    v1::JobSpec job_spec;
    if (!job_spec.ParseFromString(job->payload)) {
      return absl::DataLossError(
          absl::StrCat("the stored spec of ", JobName(job->id), " is unreadable"));
    }
    const auto found = by_label.find(job_spec.recipe().label());
    if (found == by_label.end()) {
      continue;
    }
    ReportRowSource& row = rows[found->second];
    ++row.jobs;
    if (job->state == scheduler::JobState::kSucceeded) {
      row.succeeded.push_back(
          {job->id, job->index, job->fencing_token, row.label, job_spec.seed()});
    }
  }
  return rows;
}

absl::StatusOr<v1::ReportTable> BuildReport(store::Store* store, const std::string& title,
                                            const std::vector<ReportRowSource>& rows) {
  report::ReportBuilder builder(title);
  for (const ReportRowSource& source : rows) {
    const size_t row = builder.AddRow(source.label, RunName(source.run),
                                      static_cast<int>(source.succeeded.size()), source.jobs);
    PredictionWalk walk(store, source.succeeded, {}, {});
    const absl::Status status =
        walk.Next(std::numeric_limits<size_t>::max(),
                  [&](const PredictionSource& /*job*/, const v1::Prediction& prediction) {
                    const auto set = dataset::ParseProbeSet(prediction.probe_set());
                    if (!set.ok()) {
                      return;  // of a newer version: no column for it
                    }
                    for (const v1::Score& score : prediction.scores()) {
                      builder.AddScore(
                          row, prediction.target(), *set, score.name(),
                          score.has_value() ? std::optional<double>(score.value()) : std::nullopt);
                    }
                  });
    if (!status.ok()) {
      return status;
    }
  }
  return ToProto(builder.Build());
}

}  // namespace rwku::service
