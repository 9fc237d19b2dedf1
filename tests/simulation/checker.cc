#include "tests/simulation/checker.h"

#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "base/random.h"
#include "server/scheduler/transition.h"

namespace rwku::simulation {

using scheduler::JobRecord;
using scheduler::JobState;
using scheduler::Lease;
using scheduler::RunRecord;
using scheduler::RunState;

std::string ExpectedResult(const std::string& payload) {
  return absl::StrCat("result of ", payload, ": ", Random(17, payload).Next());
}

std::vector<std::vector<std::string>> ExpectedChunks(const std::string& payload) {
  return {{payload + " a", payload + " b"}, {payload + " c"}};
}

bool IsBadInput(const std::string& payload) { return absl::StartsWith(payload, "bad"); }

void Checker::Violate(absl::string_view what) {
  if (violation_.empty()) {
    violation_ = std::string(what);
  }
}

void Checker::OnCommitted(const store::Batch& batch) {
  for (const scheduler::StateChange& change : batch.changes) {
    if (const auto* put_job = std::get_if<scheduler::PutJob>(&change)) {
      OnPutJob(put_job->job);
    } else if (const auto* put_run = std::get_if<scheduler::PutRun>(&change)) {
      runs_[put_run->run.id] = put_run->run;
    } else if (const auto* erase = std::get_if<scheduler::EraseRun>(&change)) {
      runs_.erase(erase->run);
      std::erase_if(jobs_, [&](const auto& entry) { return entry.second.run == erase->run; });
      std::erase_if(acked_results_, [&](const auto& entry) {
        return absl::StartsWith(entry.first.value(), erase->run.value() + "/");
      });
    }
  }
}

void Checker::OnPutJob(const JobRecord& job) {
  const std::string& id = job.id.value();
  const auto known = jobs_.find(job.id);
  if (known != jobs_.end()) {
    const JobRecord& before = known->second;
    if (before.state == JobState::kSucceeded) {
      Violate(absl::StrCat("job ", id, " changed after its success"));
    }
    if (job.fencing_token < before.fencing_token) {
      Violate(absl::StrCat("job ", id, ": token fell from ", before.fencing_token, " to ",
                           job.fencing_token));
    }
    if (job.state == JobState::kLeased && job.fencing_token == before.fencing_token &&
        before.state != JobState::kLeased) {
      Violate(absl::StrCat("job ", id, ": token ", job.fencing_token, " was given twice"));
    }
    if (job.revision <= before.revision) {
      Violate(absl::StrCat("job ", id, ": revision did not grow"));
    }
    if (job.state == JobState::kSucceeded &&
        (before.state != JobState::kLeased || before.fencing_token != job.fencing_token ||
         before.worker != job.worker)) {
      Violate(absl::StrCat("job ", id, " succeeded without the live lease"));
    }
  }
  if (job.state == JobState::kSucceeded) {
    if (job.result != ExpectedResult(job.payload)) {
      Violate(absl::StrCat("job ", id, " has the result ", job.result));
    }
    CheckPredictions(job);
  }
  jobs_[job.id] = job;
}

void Checker::CheckPredictions(const JobRecord& job) {
  std::vector<std::string> expected;
  for (const std::vector<std::string>& chunk : ExpectedChunks(job.payload)) {
    expected.insert(expected.end(), chunk.begin(), chunk.end());
  }
  std::vector<std::string> found;
  const absl::Status status = store_.ReadPredictions(
      job.id, job.fencing_token, 0, [&](size_t /*position*/, absl::string_view prediction) {
        found.emplace_back(prediction);
        return true;
      });
  if (!status.ok() || found != expected) {
    Violate(absl::StrCat("job ", job.id.value(), " succeeded with ", found.size(), " of ",
                         expected.size(), " predictions"));
  }
}

void Checker::OnResultAcked(const WorkerId& worker, const Lease& lease) {
  const auto [it, first] = acked_results_.emplace(lease.job, lease);
  if (!first && !(it->second == lease)) {
    Violate(absl::StrCat("two attempts of job ", lease.job.value(), " were told that they won"));
  }
  const auto job = jobs_.find(lease.job);
  if (job == jobs_.end() || job->second.state != JobState::kSucceeded ||
      job->second.fencing_token != lease.fencing_token || job->second.worker != worker) {
    Violate(absl::StrCat("worker ", worker.value(), " was told that its result of job ",
                         lease.job.value(), " is stored, and it is not"));
  }
}

void Checker::OnAssign(const scheduler::Scheduler& scheduler, const scheduler::Assign& assign) {
  const WorkerId& worker = assign.worker;
  const JobRecord* job = scheduler.FindJob(assign.lease.job);
  if (job == nullptr || job->state != JobState::kLeased) {
    Violate(absl::StrCat("job ", assign.lease.job.value(), " was given away without a lease"));
    return;
  }
  const std::vector<WorkerId> holders = HoldersOf(*job);
  const auto rank = static_cast<size_t>(assign.rank);
  if (static_cast<int>(holders.size()) != assign.world_size ||
      scheduler.FindRun(job->run)->ranks != assign.world_size || rank >= holders.size() ||
      holders[rank] != worker || assign.rendezvous.empty() != (assign.world_size == 1)) {
    Violate(absl::StrCat("job ", assign.lease.job.value(), ": worker ", worker.value(), " is rank ",
                         assign.rank, " of ", assign.world_size, " in a gang of ", holders.size()));
  }
  for (const scheduler::WorkerView& view : scheduler.Workers()) {
    if (view.id == worker && (view.draining || !view.connected)) {
      Violate(absl::StrCat("worker ", worker.value(), " was given a job while it ",
                           view.draining ? "drains" : "is not connected"));
    }
  }
}

void Checker::OnSubmitAcked(const std::string& request_id, const RunId& run) {
  acked_submits_[request_id] = run;
}
void Checker::OnCancelAcked(const RunId& run) { acked_cancels_.insert(run); }
void Checker::OnDeleteAsked(const RunId& run) { asked_deletes_.insert(run); }
void Checker::OnDeleteAcked(const RunId& run) { acked_deletes_.insert(run); }

void Checker::CheckStartable(const scheduler::PersistentState& state) {
  std::map<RunId, std::pair<int, int>> open_of_all;
  for (const JobRecord& job : state.jobs) {
    auto& [open, all] = open_of_all[job.run];
    open += IsTerminal(job.state) ? 0 : 1;
    ++all;
  }
  for (const RunRecord& run : state.runs) {
    const auto counts = open_of_all.find(run.id);
    if (counts == open_of_all.end()) {
      Violate(absl::StrCat("run ", run.id.value(), " is stored without its jobs"));
      continue;
    }
    if ((counts->second.first > 0) != (run.state == RunState::kRunning)) {
      Violate(absl::StrCat("run ", run.id.value(), " is stored as ",
                           std::string(scheduler::Name(run.state)), " with ", counts->second.first,
                           " open jobs"));
    }
    open_of_all.erase(counts);
  }
  if (!open_of_all.empty()) {
    Violate(
        absl::StrCat("jobs of run ", open_of_all.begin()->first.value(), " are stored without it"));
  }
}

void Checker::CheckAll(const scheduler::Scheduler& scheduler) {
  const absl::StatusOr<scheduler::PersistentState> state = store_.Load();
  CheckStartable(*state);
  std::map<std::string, int> runs_of_request;
  for (const RunRecord& run : state->runs) {
    const RunRecord* live = scheduler.FindRun(run.id);
    if (live == nullptr || live->state != run.state || live->revision != run.revision ||
        live->sequence != run.sequence || live->end_time != run.end_time) {
      Violate(absl::StrCat("run ", run.id.value(), " differs between scheduler and store"));
    }
    if (++runs_of_request[run.payload] > 1) {
      Violate(absl::StrCat("request ", run.payload, " made two runs"));
    }
  }
  if (scheduler.Runs().size() != state->runs.size() || scheduler.revision() < state->revision) {
    Violate("scheduler and store hold different runs");
  }
  std::map<WorkerId, int> leases;
  for (const JobRecord& job : state->jobs) {
    const JobRecord* live = scheduler.FindJob(job.id);
    if (live == nullptr || live->state != job.state || live->fencing_token != job.fencing_token ||
        live->attempts != job.attempts || live->failures != job.failures ||
        live->resource_failures != job.resource_failures ||
        live->lost_attempts != job.lost_attempts || live->worker != job.worker ||
        live->gang != job.gang || live->not_before != job.not_before || live->avoid != job.avoid ||
        live->result != job.result || live->revision != job.revision) {
      Violate(absl::StrCat("job ", job.id.value(), " differs between scheduler and store"));
    }
    if (job.state == JobState::kLeased) {
      for (const WorkerId& holder : HoldersOf(job)) {
        if (++leases[holder] > 1) {
          Violate(absl::StrCat("worker ", holder.value(), " holds two leases"));
        }
      }
      const auto run = runs_.find(job.run);
      if (run != runs_.end() && static_cast<int>(HoldersOf(job).size()) != run->second.ranks) {
        Violate(absl::StrCat("job ", job.id.value(), " is leased to a part of a gang"));
      }
    } else if (job.state != JobState::kSucceeded && !job.gang.empty()) {
      Violate(absl::StrCat("job ", job.id.value(), " keeps its gang"));
    }
    const bool keeps_newest = job.state == JobState::kLeased || job.state == JobState::kSucceeded;
    for (uint64_t token = 1; token <= job.fencing_token; ++token) {
      if (!(keeps_newest && token == job.fencing_token) && *store_.CountChunks(job.id, token) > 0) {
        Violate(absl::StrCat("job ", job.id.value(), " keeps chunks of its dead attempt ", token));
      }
    }
  }
  for (const auto& [request, run] : acked_submits_) {
    if (!runs_.contains(run) && !asked_deletes_.contains(run)) {
      Violate(absl::StrCat("acknowledged run ", run.value(), " is gone"));
    }
  }
  for (const RunId& run : acked_cancels_) {
    if (const auto it = runs_.find(run);
        it != runs_.end() && it->second.state != RunState::kCancelled) {
      Violate(absl::StrCat("run ", run.value(), " is not cancelled though that was acknowledged"));
    }
  }
  for (const RunId& run : acked_deletes_) {
    if (runs_.contains(run)) {
      Violate(absl::StrCat("run ", run.value(), " is back after its deletion"));
    }
  }
  for (const auto& [id, lease] : acked_results_) {
    const auto job = jobs_.find(id);
    if (job == jobs_.end() || job->second.state != JobState::kSucceeded ||
        job->second.fencing_token != lease.fencing_token) {
      Violate(absl::StrCat("the acknowledged result of job ", id.value(), " is gone"));
    }
  }
}

bool Checker::AllTerminal() const {
  for (const auto& [id, job] : jobs_) {
    if (!IsTerminal(job.state)) {
      return false;
    }
  }
  return true;
}

void Checker::CheckEnd() {
  for (const auto& [id, job] : jobs_) {
    if (job.state == JobState::kCancelled || runs_.at(job.run).state == RunState::kCancelled) {
      continue;
    }
    const JobState expected = IsBadInput(job.payload) ? JobState::kFailed : JobState::kSucceeded;
    if (job.state != expected) {
      Violate(absl::StrCat("job ", id.value(), " ended ", std::string(scheduler::Name(job.state)),
                           job.last_failure ? ": " + job.last_failure->message : ""));
    }
  }
}

}  // namespace rwku::simulation
