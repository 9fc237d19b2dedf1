#include "server/service/run_report.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rwku/v1/worker.pb.h"

#include "base/status_macros.h"
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

// A row to be: a recipe of a run, with the jobs whose predictions it averages.
struct RowSource {
  std::string label;
  int jobs = 0;
  std::vector<PredictionSource> succeeded;
};

// The rows of a run, in the order of its recipes.
absl::StatusOr<std::vector<RowSource>> FindRows(const RunCopy& run) {
  v1::RunSpec spec;
  if (!spec.ParseFromString(run.spec)) {
    return absl::DataLossError(
        absl::StrCat("the stored spec of ", RunName(run.run), " is unreadable"));
  }
  std::vector<RowSource> rows;
  std::map<std::string, size_t> by_label;
  for (const v1::Recipe& recipe : spec.recipes()) {
    by_label.emplace(recipe.label(), rows.size());
    rows.push_back({recipe.label(), 0, {}});
  }
  for (const JobCopy& job : run.jobs) {
    v1::JobSpec job_spec;
    if (!job_spec.ParseFromString(job.spec)) {
      return absl::DataLossError(
          absl::StrCat("the stored spec of ", JobName(job.job), " is unreadable"));
    }
    const auto found = by_label.find(job_spec.recipe().label());
    if (found == by_label.end()) {
      continue;
    }
    RowSource& row = rows[found->second];
    ++row.jobs;
    if (job.succeeded) {
      row.succeeded.push_back(SourceOf(job, job_spec));
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<RunCopy> CopyRun(const coordinator::View& view, const RunId& run) {
  const scheduler::RunRecord* record = view.scheduler.FindRun(run);
  if (record == nullptr) {
    return RunNotFound(run);
  }
  RunCopy copy{run, record->payload, {}};
  view.scheduler.VisitJobs(run, 0, [&copy](const scheduler::JobRecord& job) {
    copy.jobs.push_back(CopyJob(job));
    return true;
  });
  return copy;
}

absl::StatusOr<v1::ReportTable> BuildReport(store::Store* store, const std::string& title,
                                            const std::vector<RunCopy>& runs,
                                            const std::function<bool()>& cancelled) {
  report::ReportBuilder builder(title);
  for (const RunCopy& run : runs) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<RowSource> rows, FindRows(run));
    for (const RowSource& source : rows) {
      const size_t row = builder.AddRow(source.label, RunName(run.run),
                                        static_cast<int>(source.succeeded.size()), source.jobs);
      PredictionWalk walk(store, source.succeeded, {}, {}, cancelled);
      RWKU_RETURN_IF_ERROR(walk.Next([&](const PredictionSource& /*job*/,
                                         const v1::Prediction& prediction) {
        const auto set = dataset::ParseProbeSet(prediction.probe_set());
        if (!set.ok()) {
          return true;  // of a newer version: no column for it
        }
        for (const v1::Score& score : prediction.scores()) {
          builder.AddScore(row, prediction.target(), *set, score.name(),
                           score.has_value() ? std::optional<double>(score.value()) : std::nullopt);
        }
        return true;
      }));
    }
  }
  return ToProto(builder.Build());
}

}  // namespace rwku::service
