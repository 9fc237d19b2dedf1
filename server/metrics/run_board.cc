#include "server/metrics/run_board.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "net/metrics/sample.h"

namespace rwku::metrics {
namespace {

using net::AddSample;
using net::GaugeFamily;
using prometheus::MetricFamily;
using scheduler::JobState;

constexpr size_t kMaxName = 60;  // bytes of a label that a client chose
constexpr char kScore[] = "rouge_l_recall";

// Not in the middle of a letter of several bytes.
std::string Shortened(const std::string& text) {
  size_t end = std::min(text.size(), kMaxName);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return text.substr(0, end);
}

// Adds the prediction's score to its side, if it has one there.
void AddPrediction(const v1::Prediction& prediction, JobScores* scores) {
  const bool forget = absl::StartsWith(prediction.probe_set(), "forget_level");
  const bool neighbor = absl::StartsWith(prediction.probe_set(), "neighbor_level");
  if (prediction.checkpoint() != 0 || (!forget && !neighbor)) {
    return;
  }
  for (const v1::Score& score : prediction.scores()) {
    if (score.name() == kScore && score.has_value()) {
      ScoreSum& sum = (forget ? scores->forget : scores->neighbor)[prediction.target()];
      sum.sum += score.value();
      ++sum.count;
    }
  }
}

}  // namespace

struct RunBoard::JobCopy {
  int index = 0;
  uint64_t revision = 0;
  uint64_t fencing_token = 0;
  JobFacts facts = {};
  std::string payload;  // of a job that was not seen before
};

RunBoard::RunBoard(RunBoardOptions options, coordinator::Coordinator* coordinator,
                   store::Store* store, const Clock* clock)
    : options_(options), coordinator_(coordinator), store_(store), clock_(clock) {
  if (options_.interval > absl::ZeroDuration()) {
    thread_ = std::thread([this] { Loop(); });
  }
}

RunBoard::~RunBoard() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void RunBoard::Loop() {
  while (true) {
    Refresh();
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.interval)) {
      return;
    }
  }
}

std::vector<MetricFamily> RunBoard::Collect() const {
  absl::MutexLock lock(&mu_);
  return families_;
}

void RunBoard::Refresh() {
  FindRuns();
  int reads = options_.max_reads;
  for (auto& [id, run] : runs_) {
    LookAt(id, &run);
    ReadScores(id, &run, &reads);
  }
  Publish();
}

void RunBoard::FindRuns() {
  struct RunCopy {
    RunId id;
    absl::Time create_time;
    std::string payload;  // of a run that was not seen before
  };
  const absl::Time forget = clock_->Now() - options_.memory;
  std::vector<RunCopy> found;
  coordinator_->Peek([&](const coordinator::View& view) {
    view.scheduler.VisitRuns(0, [&](const scheduler::RunRecord& run) {
      if (!run.end_time.has_value() || *run.end_time >= forget) {
        found.push_back(
            {run.id, run.create_time, runs_.contains(run.id) ? std::string() : run.payload});
      }
      return found.size() < kMaxRuns;
    });
  });
  for (auto& [id, run] : runs_) {
    run.shown = false;
  }
  for (const RunCopy& copy : found) {
    Run& run = runs_[copy.id];
    run.shown = true;
    run.create_time = copy.create_time;
    if (!run.parsed) {
      run.parsed = true;
      v1::RunSpec spec;
      if (spec.ParseFromString(copy.payload)) {
        run.name = Shortened(spec.display_name());
        run.model = Shortened(spec.model());
      }
    }
  }
  std::erase_if(runs_, [](const auto& item) { return !item.second.shown; });
}

void RunBoard::LookAt(const RunId& id, Run* run) {
  std::vector<JobCopy> copies;
  coordinator_->Peek([&](const coordinator::View& view) {
    view.scheduler.VisitJobs(id, 0, [&](const scheduler::JobRecord& record) {
      const auto known = run->jobs.find(record.index);
      if (known == run->jobs.end() || known->second.revision != record.revision) {
        JobCopy copy{.index = record.index,
                     .revision = record.revision,
                     .fencing_token = record.fencing_token,
                     .payload = known == run->jobs.end() ? record.payload : std::string()};
        copy.facts.state = record.state;
        copy.facts.start_time = record.start_time;
        copy.facts.end_time = record.end_time;
        copies.push_back(std::move(copy));
      }
      return true;
    });
  });
  for (JobCopy& copy : copies) {
    auto known = run->jobs.find(copy.index);
    if (known == run->jobs.end()) {
      v1::JobSpec spec;
      if (!spec.ParseFromString(copy.payload)) {
        continue;
      }
      const std::string label = Shortened(spec.recipe().label());
      const auto [found, is_new] =
          run->by_label.emplace(label, static_cast<int>(run->recipes.size()));
      if (is_new) {
        run->recipes.push_back({label, Shortened(spec.recipe().method())});
      }
      known = run->jobs.emplace(copy.index, Job{}).first;
      known->second.facts.recipe = found->second;
    }
    Job& job = known->second;
    copy.facts.recipe = job.facts.recipe;
    job.facts = copy.facts;
    job.revision = copy.revision;
    job.fencing_token = copy.fencing_token;
    job.read = false;
  }
}

void RunBoard::ReadScores(const RunId& id, Run* run, int* reads) {
  for (auto& [index, job] : run->jobs) {
    if (*reads > 0 && !job.read && job.facts.state == JobState::kSucceeded) {
      job.scores = Read(id, index, job.fencing_token);
      job.read = true;
      --*reads;
    }
    job.facts.scores = job.read ? &job.scores : nullptr;
  }
}

JobScores RunBoard::Read(const RunId& id, int index, uint64_t fencing_token) {
  JobScores scores;
  // What cannot be read is missing here; a report says so.
  store_
      ->ReadPredictions(
          JobId(absl::StrCat(id.value(), "/", index)), fencing_token, 0,
          [&scores](size_t /*position*/, absl::string_view bytes) {
            v1::Prediction prediction;
            if (prediction.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
              AddPrediction(prediction, &scores);
            }
            return true;
          })
      .IgnoreError();
  return scores;
}

void RunBoard::Publish() {
  MetricFamily info =
      GaugeFamily("rwku_server_run_info", "1; the display name and model of a run that is shown.");
  MetricFamily created = GaugeFamily("rwku_server_run_created_timestamp_seconds",
                                     "When the run was submitted, in seconds since 1970 UTC.");
  MetricFamily jobs = GaugeFamily("rwku_server_run_jobs", "Jobs of a run, by state.");
  MetricFamily eta = GaugeFamily("rwku_server_run_eta_seconds",
                                 "Expected time until a run ends, if its workers stay.");
  MetricFamily recipe_jobs = GaugeFamily("rwku_server_run_recipe_jobs", "Jobs of a recipe.");
  MetricFamily recipe_done = GaugeFamily("rwku_server_run_recipe_jobs_succeeded",
                                         "Jobs of a recipe that have their result.");
  MetricFamily rouge =
      GaugeFamily("rwku_server_run_recipe_rouge_ratio",
                  "ROUGE-L recall so far, 0 to 1: mean over probes, then over targets.");
  const absl::Time now = clock_->Now();
  for (const auto& [id, run] : runs_) {
    std::vector<JobFacts> facts;
    facts.reserve(run.jobs.size());
    for (const auto& [index, job] : run.jobs) {
      facts.push_back(job.facts);
    }
    const RunProgress progress = Summarize(facts, static_cast<int>(run.recipes.size()), now);
    const std::string& name = id.value();
    AddSample(&info, {{"run", name}, {"name", run.name}, {"model", run.model}}, 1);
    AddSample(&created, {{"run", name}},
              static_cast<double>(absl::ToUnixMillis(run.create_time)) / 1000);
    for (const auto& [state, label] :
         {std::pair<JobState, const char*>{JobState::kQueued, "queued"},
          {JobState::kLeased, "leased"},
          {JobState::kSucceeded, "succeeded"},
          {JobState::kFailed, "failed"},
          {JobState::kCancelled, "cancelled"}}) {
      AddSample(&jobs, {{"run", name}, {"state", label}}, progress.jobs[state]);
    }
    if (progress.remaining.has_value()) {
      AddSample(&eta, {{"run", name}}, absl::ToDoubleSeconds(*progress.remaining));
    }
    const size_t shown = std::min(run.recipes.size(), static_cast<size_t>(kMaxRecipes));
    for (size_t i = 0; i < shown; ++i) {
      const RecipeProgress& recipe = progress.recipes[i];
      const net::MetricLabels labels = {
          {"run", name}, {"recipe", run.recipes[i].label}, {"method", run.recipes[i].method}};
      AddSample(&recipe_jobs, labels, recipe.jobs);
      AddSample(&recipe_done, labels, recipe.succeeded);
      for (const auto& [side, value] :
           {std::pair{"forget", recipe.forget}, std::pair{"neighbor", recipe.neighbor}}) {
        if (value.has_value()) {
          net::MetricLabels with_side = labels;
          with_side.push_back({"side", side});
          AddSample(&rouge, std::move(with_side), *value);
        }
      }
    }
  }
  absl::MutexLock lock(&mu_);
  families_ = {std::move(info),        std::move(created),     std::move(jobs), std::move(eta),
               std::move(recipe_jobs), std::move(recipe_done), std::move(rouge)};
}

}  // namespace rwku::metrics
