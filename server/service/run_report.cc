#include "server/service/run_report.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rwku/v1/worker.pb.h"

#include "base/status_macros.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/report/published.h"
#include "benchmark/report/report_builder.h"
#include "server/service/names.h"

namespace rwku::service {
namespace {

// A row to be: a recipe of a run, with the jobs whose predictions it averages.
struct RowSource {
  std::string label;
  report::RowRecipe recipe;
  int jobs = 0;
  std::vector<PredictionSource> succeeded;
};

std::string TuningName(v1::TuningKind tuning) {
  switch (tuning) {
    case v1::TUNING_KIND_FULL:
      return "full";
    case v1::TUNING_KIND_LORA:
      return "lora";
    case v1::TUNING_KIND_PARTIAL:
      return "partial";
    default:
      return "none";
  }
}

// What made the scores of the jobs that succeeded.
struct Provenance {
  std::set<int> metrics_versions;
  std::set<std::string> word_tokenizers;
};

void AddNotes(const Provenance& provenance, report::Report* report) {
  if (provenance.metrics_versions.size() > 1) {
    report->notes.emplace_back(absl::StrCat("Scores of different metric versions (",
                                            absl::StrJoin(provenance.metrics_versions, ", "),
                                            ") stand side by side; RescoreRun makes them one."));
  } else if (!provenance.metrics_versions.empty()) {
    report->notes.emplace_back(
        absl::StrCat("Metric version ", *provenance.metrics_versions.begin(), "."));
  }
  if (provenance.word_tokenizers.contains("fallback")) {
    report->notes.emplace_back(
        "Fluency was measured without NLTK's Punkt parameters for some jobs: sentences end at each "
        "full stop, so that entropies differ a little from the reference's.");
  }
}

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
    rows.push_back(
        {recipe.label(), {spec.model(), recipe.method(), TuningName(recipe.tuning())}, 0, {}});
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

absl::StatusOr<report::Report> BuildReport(store::Store* store, const std::string& title,
                                           const std::vector<RunCopy>& runs,
                                           const std::function<bool()>& cancelled) {
  report::ReportBuilder builder(title);
  Provenance provenance;
  for (const RunCopy& run : runs) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<RowSource> rows, FindRows(run));
    for (const JobCopy& job : run.jobs) {
      if (job.succeeded) {
        provenance.metrics_versions.insert(job.metrics_version);
        provenance.word_tokenizers.insert(job.word_tokenizer);
      }
    }
    for (const RowSource& source : rows) {
      const size_t row =
          builder.AddRow(source.label, RunName(run.run), static_cast<int>(source.succeeded.size()),
                         source.jobs, source.recipe);
      PredictionWalk walk(store, source.succeeded, {}, {}, cancelled);
      RWKU_RETURN_IF_ERROR(walk.Next([&](const PredictionSource& /*job*/,
                                         const v1::Prediction& prediction) {
        const auto set = dataset::ParseProbeSet(prediction.probe_set());
        if (!set.ok()) {
          return true;  // of a newer version: no column for it
        }
        for (const v1::Score& score : prediction.scores()) {
          builder.AddScore(row, prediction.target(), *set, prediction.type(), score.name(),
                           score.has_value() ? std::optional<double>(score.value()) : std::nullopt);
        }
        return true;
      }));
    }
  }
  report::Report report = builder.BuildReport();
  for (report::ReportTable& table : report.tables) {
    if (table.key == "main") {
      report::AttachPublished(report::BuiltinPublished(), "", table);
    }
  }
  AddNotes(provenance, &report);
  return report;
}

}  // namespace rwku::service
