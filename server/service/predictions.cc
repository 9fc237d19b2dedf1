#include "server/service/predictions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rwku/v1/worker.pb.h"

#include "server/service/names.h"

namespace rwku::service {
namespace {

bool Admits(const std::set<std::string>& set, const std::string& value) {
  return set.empty() || set.count(value) > 0;
}

}  // namespace

absl::StatusOr<PredictionParent> ParsePredictionParent(const std::string& parent) {
  if (absl::StatusOr<JobId> job = ParseJobName(parent, "parent"); job.ok()) {
    return PredictionParent{RunOf(*job), *job};
  }
  absl::StatusOr<RunId> run = ParseRunName(parent, "parent");
  if (!run.ok()) {
    return run.status();
  }
  return PredictionParent{*run, std::nullopt};
}

absl::StatusOr<std::vector<PredictionSource>> FindSources(const coordinator::View& view,
                                                          const PredictionParent& parent,
                                                          const v1::PredictionFilter& filter) {
  if (view.scheduler.FindRun(parent.run) == nullptr) {
    return RunNotFound(parent.run);
  }
  std::vector<const scheduler::JobRecord*> jobs;
  if (parent.job) {
    const scheduler::JobRecord* job = view.scheduler.FindJob(*parent.job);
    if (job == nullptr) {
      return JobNotFound(*parent.job);
    }
    jobs.push_back(job);
  } else {
    jobs = view.scheduler.Jobs(parent.run);
  }
  const std::set<std::string> targets(filter.targets().begin(), filter.targets().end());
  const std::set<std::string> recipes(filter.recipes().begin(), filter.recipes().end());
  std::vector<PredictionSource> sources;
  for (const scheduler::JobRecord* job : jobs) {
    v1::JobSpec spec;
    if (job->state != scheduler::JobState::kSucceeded || !spec.ParseFromString(job->payload) ||
        !Admits(targets, spec.target()) || !Admits(recipes, spec.recipe().label())) {
      continue;
    }
    sources.push_back(
        {job->id, job->index, job->fencing_token, spec.recipe().label(), spec.seed()});
  }
  return sources;
}

PredictionWalk::PredictionWalk(store::Store* store, std::vector<PredictionSource> sources,
                               v1::PredictionFilter filter, PredictionPosition start)
    : store_(store),
      sources_(std::move(sources)),
      probe_sets_(filter.probe_sets().begin(), filter.probe_sets().end()),
      types_(filter.types().begin(), filter.types().end()) {
  while (source_ < sources_.size() &&
         static_cast<uint64_t>(sources_[source_].index) < start.index) {
    ++source_;
  }
  if (source_ < sources_.size() && static_cast<uint64_t>(sources_[source_].index) == start.index) {
    position_ = start.position;
  }
}

bool PredictionWalk::Passes(const v1::Prediction& prediction) const {
  return Admits(probe_sets_, prediction.probe_set()) && Admits(types_, prediction.type());
}

absl::Status PredictionWalk::Next(
    size_t limit, const std::function<void(const PredictionSource&, v1::Prediction)>& visit) {
  size_t visited = 0;
  while (visited < limit && !done()) {
    const PredictionSource& source = sources_[source_];
    absl::Status parsed;
    const absl::Status read = store_->ReadPredictions(
        source.job, source.fencing_token, position_, [&](size_t position, absl::string_view bytes) {
          position_ = position + 1;
          v1::Prediction prediction;
          if (!prediction.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
            parsed = absl::DataLossError(absl::StrCat("prediction ", position, " of ",
                                                      JobName(source.job), " cannot be read"));
            return false;
          }
          if (Passes(prediction)) {
            visit(source, std::move(prediction));
            ++visited;
          }
          return visited < limit;
        });
    if (!read.ok() || !parsed.ok()) {
      return read.ok() ? parsed : read;
    }
    if (visited < limit) {
      ++source_;
      position_ = 0;
    }
  }
  return absl::OkStatus();
}

PredictionPosition PredictionWalk::position() const {
  if (done()) {
    return {};
  }
  return {static_cast<uint64_t>(sources_[source_].index), position_};
}

}  // namespace rwku::service
