#include "server/service/run_report.h"

#include <map>
#include <memory>
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
#include "server/service/corpus_plan.h"
#include "server/service/names.h"
#include "server/service/target_groups.h"

namespace rwku::service {
namespace {

// A row to be: a recipe of a run, with the jobs whose predictions it averages.
struct RowSource {
  std::string label;
  report::RowRecipe recipe;
  int jobs = 0;
  int collapsed = 0;
  std::string checkpoint;  // what the number of one stands behind: "epoch", or "after"
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

// The checkpoints of a row before the last one.
class CurveBuilder {
 public:
  CurveBuilder(std::string label, std::string run, std::string checkpoint)
      : label_(std::move(label)), run_(std::move(run)), checkpoint_(std::move(checkpoint)) {}

  void Add(const v1::Prediction& prediction, dataset::ProbeSet set) {
    std::unique_ptr<report::ReportBuilder>& builder = checkpoints_[prediction.checkpoint()];
    if (builder == nullptr) {
      builder = std::make_unique<report::ReportBuilder>(label_);
      builder->AddRow(absl::StrCat(checkpoint_, " ", prediction.checkpoint()), run_, 0, 0);
    }
    for (const v1::Score& score : prediction.scores()) {
      builder->AddScore(0, prediction.target(), set, prediction.type(), score.name(),
                        score.has_value() ? std::optional<double>(score.value()) : std::nullopt);
    }
  }

  bool empty() const { return checkpoints_.empty(); }

  report::ReportTable Build() const {
    report::ReportTable curve;
    for (const auto& [number, builder] : checkpoints_) {
      report::ReportTable one = builder->Build();
      if (curve.rows.empty()) {
        curve = std::move(one);
      } else {
        curve.rows.push_back(std::move(one.rows.front()));
      }
    }
    curve.key = "curve";
    curve.title = label_;
    curve.caption = checkpoint_ == "after"
                        ? "Evaluations of a sequence after so many of its targets, of those alone; "
                          "\"end\" is after the last one."
                        : "Evaluations after each epoch; \"end\" is after the last one. A job "
                          "whose model collapsed ends there, and is missing from later epochs.";
    return curve;
  }

 private:
  const std::string label_;
  const std::string run_;
  const std::string checkpoint_;
  std::map<int, std::unique_ptr<report::ReportBuilder>> checkpoints_;
};

// The rows of a run, in the order of its recipes.
absl::StatusOr<std::vector<RowSource>> FindRows(const RunCopy& run) {
  v1::RunSpec spec;
  if (!spec.ParseFromString(run.spec)) {
    return absl::DataLossError(
        absl::StrCat("the stored spec of ", RunName(run.run), " is unreadable"));
  }
  RWKU_RETURN_IF_ERROR(RefuseCorpusRun(spec, run.run, "report"));
  std::vector<RowSource> rows;
  // By the label of the recipe and the name of the group.
  std::map<std::pair<std::string, std::string>, size_t> by_label;
  std::vector<std::string> groups;
  for (const v1::TargetGroup& group : spec.groups()) {
    groups.push_back(group.name());
  }
  if (groups.empty()) {
    groups.emplace_back();
  }
  for (const v1::Recipe& recipe : spec.recipes()) {
    for (const std::string& group : groups) {
      by_label.emplace(std::make_pair(recipe.label(), group), rows.size());
      RowSource row;
      row.label = group.empty() ? recipe.label() : absl::StrCat(recipe.label(), " ", group);
      row.recipe = {spec.model(), recipe.method(), TuningName(recipe.tuning()), group};
      row.checkpoint = spec.target_mode() == v1::TARGET_MODE_SEQUENTIAL ? "after" : "epoch";
      rows.push_back(std::move(row));
    }
  }
  for (const JobCopy& job : run.jobs) {
    v1::JobSpec job_spec;
    if (!job_spec.ParseFromString(job.spec)) {
      return absl::DataLossError(
          absl::StrCat("the stored spec of ", JobName(job.job), " is unreadable"));
    }
    const auto found =
        by_label.find({job_spec.recipe().label(), IsGroup(job_spec) ? job_spec.target() : ""});
    if (found == by_label.end()) {
      continue;
    }
    RowSource& row = rows[found->second];
    ++row.jobs;
    if (job.succeeded) {
      row.succeeded.push_back(SourceOf(job, job_spec));
      row.collapsed += job.collapsed ? 1 : 0;
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
  std::vector<std::pair<size_t, report::ReportTable>> curves;  // without their ends, by row
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
                         source.jobs, source.recipe, source.collapsed);
      CurveBuilder curve(source.label, RunName(run.run), source.checkpoint);
      PredictionWalk walk(store, source.succeeded, {}, {}, cancelled);
      RWKU_RETURN_IF_ERROR(walk.Next([&](const PredictionSource& /*job*/,
                                         const v1::Prediction& prediction) {
        const auto set = dataset::ParseProbeSet(prediction.probe_set());
        if (!set.ok()) {
          return true;  // of a newer version: no column for it
        }
        if (prediction.checkpoint() > 0) {
          curve.Add(prediction, *set);
          return true;
        }
        for (const v1::Score& score : prediction.scores()) {
          builder.AddScore(row, prediction.target(), *set, prediction.type(), score.name(),
                           score.has_value() ? std::optional<double>(score.value()) : std::nullopt);
        }
        return true;
      }));
      if (!curve.empty()) {
        curves.emplace_back(row, curve.Build());
      }
    }
  }
  report::Report report = builder.BuildReport();
  for (auto& [row, curve] : curves) {
    report::ReportRow end = report.tables.front().rows[row];
    end.label = "end";
    curve.rows.push_back(std::move(end));
    report.curves.push_back(std::move(curve));
  }
  for (report::ReportTable& table : report.tables) {
    if (table.key == "main") {
      report::AttachPublished(report::BuiltinPublished(), "", table);
    }
  }
  AddNotes(provenance, &report);
  return report;
}

}  // namespace rwku::service
