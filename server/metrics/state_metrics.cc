#include "server/metrics/state_metrics.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "net/metrics/sample.h"

namespace rwku::metrics {
namespace {

using net::AddSample;
using net::Counter;
using net::Gauge;
using net::GaugeFamily;
using prometheus::MetricFamily;
using scheduler::JobState;
using scheduler::RunState;

constexpr std::array<std::pair<JobState, const char*>, 5> kJobStates = {
    {{JobState::kQueued, "queued"},
     {JobState::kLeased, "leased"},
     {JobState::kSucceeded, "succeeded"},
     {JobState::kFailed, "failed"},
     {JobState::kCancelled, "cancelled"}}};
constexpr std::array<std::pair<RunState, const char*>, 4> kRunStates = {
    {{RunState::kRunning, "running"},
     {RunState::kSucceeded, "succeeded"},
     {RunState::kFailed, "failed"},
     {RunState::kCancelled, "cancelled"}}};

struct Counts {
  scheduler::JobCounts jobs;
  std::map<RunState, int> runs;
  absl::Time oldest_queued = absl::InfiniteFuture();
  int64_t wanted = 0;
  int wanted_at_once = 0;
  int idle = 0;
  int busy = 0;
  int draining = 0;
  int disconnected = 0;
};

void CountWorkers(const coordinator::View& view, Counts* counts) {
  for (const auto& [id, info] : view.workers) {
    if (info.session == nullptr) {
      ++counts->disconnected;
    } else if (info.draining || info.drain_asked) {
      ++counts->draining;
    } else if (info.leases.empty()) {
      ++counts->idle;
    } else {
      ++counts->busy;
    }
  }
}

Counts Count(const coordinator::View& view) {
  Counts counts;
  view.scheduler.VisitRuns(0, [&](const scheduler::RunRecord& run) {
    const scheduler::JobCounts jobs = view.scheduler.CountJobs(run.id);
    for (const auto& [state, name] : kJobStates) {
      counts.jobs[state] += jobs[state];
    }
    ++counts.runs[run.state];
    if (jobs[JobState::kQueued] > 0) {
      counts.oldest_queued = std::min(counts.oldest_queued, run.create_time);
    }
    if (const int open = jobs[JobState::kQueued] + jobs[JobState::kLeased]; open > 0) {
      counts.wanted += int64_t{open} * run.ranks;
      counts.wanted_at_once = std::max(counts.wanted_at_once, run.ranks);
    }
    return true;
  });
  CountWorkers(view, &counts);
  return counts;
}

}  // namespace

std::vector<MetricFamily> StateMetrics::Collect() const {
  Counts counts;
  coordinator_->Peek([&counts](const coordinator::View& view) { counts = Count(view); });

  MetricFamily jobs = GaugeFamily("rwku_server_jobs", "Jobs of all runs, by state.");
  for (const auto& [state, name] : kJobStates) {
    AddSample(&jobs, {{"state", name}}, counts.jobs[state]);
  }
  MetricFamily runs = GaugeFamily("rwku_server_runs", "Runs, by state.");
  for (const auto& [state, name] : kRunStates) {
    AddSample(&runs, {{"state", name}}, counts.runs[state]);
  }
  MetricFamily workers = GaugeFamily("rwku_server_workers", "Workers heard of, by state.");
  AddSample(&workers, {{"state", "idle"}}, counts.idle);
  AddSample(&workers, {{"state", "busy"}}, counts.busy);
  AddSample(&workers, {{"state", "draining"}}, counts.draining);
  AddSample(&workers, {{"state", "disconnected"}}, counts.disconnected);

  const absl::Duration age = counts.oldest_queued == absl::InfiniteFuture()
                                 ? absl::ZeroDuration()
                                 : clock_->Now() - counts.oldest_queued;
  std::vector<MetricFamily> families;
  families.push_back(std::move(jobs));
  families.push_back(std::move(runs));
  families.push_back(std::move(workers));
  // An autoscaler reads the two: the first is what there is to do, without the second no gang
  // forms.
  families.push_back(Gauge("rwku_server_workers_wanted",
                           "Workers that the open jobs would keep busy if all of them ran at once.",
                           static_cast<double>(counts.wanted)));
  families.push_back(Gauge("rwku_server_workers_wanted_at_once",
                           "Workers of the open job that takes most; 0 without open jobs.",
                           counts.wanted_at_once));
  families.push_back(Gauge("rwku_server_queue_oldest_age_seconds",
                           "Age of the oldest run that has queued jobs; 0 without queued jobs.",
                           std::max(0.0, absl::ToDoubleSeconds(age))));
  families.push_back(Gauge("rwku_server_watch_streams", "Clients that watch a run.",
                           static_cast<double>(coordinator_->watch_hub().Count())));
  families.push_back(Gauge("rwku_server_ready",
                           "1 while changes are taken; 0 with a full disk or a lost store.",
                           coordinator_->Ready().ok() ? 1 : 0));
  return families;
}

std::vector<MetricFamily> StoreMetrics::Collect() const {
  const store::RocksHealth health = store_->Health();
  const auto number = [](uint64_t value) { return static_cast<double>(value); };
  std::vector<MetricFamily> families = {
      Gauge("rwku_server_store_live_bytes", "Data files in use.", number(health.live_bytes)),
      Gauge("rwku_server_store_files_bytes",
            "Data files on disk, those that wait to be deleted among them.",
            number(health.files_bytes)),
      Gauge("rwku_server_store_live_files", "Data files in use.", number(health.live_files)),
      Gauge("rwku_server_store_memtable_bytes", "Writes in memory, not yet in data files.",
            number(health.memtable_bytes)),
      Gauge("rwku_server_store_pending_compaction_bytes", "Data that waits to be compacted.",
            number(health.pending_compaction_bytes)),
      Counter("rwku_server_store_background_errors_total",
              "Errors of flushes and compactions since the start.",
              number(health.background_errors)),
      Counter("rwku_server_store_write_stalls_total",
              "Times since the start that RocksDB slowed writes down or stopped them.",
              number(health.write_stalls)),
      Gauge("rwku_server_store_writes_stopped", "1 while RocksDB takes no writes.",
            health.writes_stopped ? 1 : 0)};
  if (health.volume_bytes > 0) {
    families.push_back(Gauge("rwku_server_volume_size_bytes", "Size of the store's volume.",
                             number(health.volume_bytes)));
    families.push_back(Gauge("rwku_server_volume_free_bytes", "Room left on the store's volume.",
                             number(health.volume_free_bytes)));
  }
  return families;
}

}  // namespace rwku::metrics
