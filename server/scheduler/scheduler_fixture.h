// A scheduler with a hand-driven clock and short ways to say events, for this folder's tests.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

#include "server/scheduler/scheduler.h"
#include "server/scheduler/types.h"

namespace rwku::scheduler {

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() { Restart(PersistentState()); }

  void Restart(PersistentState state) {
    scheduler_ = std::make_unique<Scheduler>(options_, std::move(state), now_);
  }

  // Applies the event, and the changes to `stored_` as a store would.
  Decision Do(const Event& event) {
    Decision decision = scheduler_->Step(event, now_);
    for (const StateChange& change : decision.changes) {
      Store(change);
    }
    return decision;
  }

  void Advance(absl::Duration by) {
    now_.monotonic += by;
    now_.wall += by;
  }

  static RunSubmitted MakeRun(const std::string& id, int jobs, int priority = 0,
                              const std::string& model = "m") {
    RunSubmitted event;
    event.run.id = RunId(id);
    event.run.priority = priority;
    for (int i = 0; i < jobs; ++i) {
      JobRecord job;
      job.id = JobIdOf(id, i);
      job.run = event.run.id;
      job.index = i;
      job.model = model;
      job.payload = absl::StrCat("spec ", id, " ", i);
      event.jobs.push_back(std::move(job));
    }
    return event;
  }

  static JobId JobIdOf(const std::string& run, int index) {
    return JobId(absl::StrCat(run, "/", index));
  }

  Decision Connect(const std::string& worker, const std::string& incarnation = "1",
                   std::vector<Lease> leases = {}, std::vector<std::string> models = {}) {
    WorkerConnected event;
    event.worker = WorkerId(worker);
    event.incarnation = incarnation;
    event.leases = std::move(leases);
    event.resident_models = std::move(models);
    return Do(event);
  }
  Decision Disconnect(const std::string& worker, const std::string& incarnation = "1") {
    return Do(WorkerDisconnected{WorkerId(worker), incarnation});
  }
  Decision Heartbeat(const std::string& worker, std::vector<Lease> leases = {}) {
    return Do(WorkerHeartbeat{WorkerId(worker), std::move(leases), {}});
  }
  Decision Complete(const std::string& worker, const Lease& lease,
                    const std::string& result = "result") {
    return Do(AttemptCompleted{WorkerId(worker), lease, result});
  }
  Decision Fail(const std::string& worker, const Lease& lease, FailureClass failure_class) {
    return Do(AttemptFailed{WorkerId(worker), lease, failure_class, "it broke"});
  }

  // The assignments of a decision as "worker:job:token".
  static std::vector<std::string> Assigned(const Decision& decision) {
    std::vector<std::string> out;
    for (const Command& command : decision.commands) {
      if (const auto* assign = std::get_if<Assign>(&command)) {
        out.push_back(absl::StrCat(assign->worker.value(), ":", assign->lease.job.value(), ":",
                                   assign->lease.fencing_token));
      }
    }
    return out;
  }
  static std::vector<std::string> Revoked(const Decision& decision) {
    std::vector<std::string> out;
    for (const Command& command : decision.commands) {
      if (const auto* revoke = std::get_if<Revoke>(&command)) {
        out.push_back(absl::StrCat(revoke->worker.value(), ":", revoke->lease.job.value(), ":",
                                   revoke->lease.fencing_token));
      }
    }
    return out;
  }
  static std::vector<std::string> Drained(const Decision& decision) {
    std::vector<std::string> out;
    for (const Command& command : decision.commands) {
      if (const auto* drain = std::get_if<Drain>(&command)) {
        out.push_back(drain->worker.value());
      }
    }
    return out;
  }
  static std::vector<std::string> ErasedAttempts(const Decision& decision) {
    std::vector<std::string> out;
    for (const StateChange& change : decision.changes) {
      if (const auto* erase = std::get_if<EraseAttempt>(&change)) {
        out.push_back(absl::StrCat(erase->job.value(), ":", erase->fencing_token));
      }
    }
    return out;
  }

  const JobRecord& Job(const std::string& run, int index) const {
    return *scheduler_->FindJob(JobIdOf(run, index));
  }
  const RunRecord& Run(const std::string& run) const { return *scheduler_->FindRun(RunId(run)); }
  static Lease LeaseOf(const std::string& run, int index, uint64_t token) {
    return Lease{JobIdOf(run, index), token};
  }

  Options options_;
  Now now_{absl::Hours(1), absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<Scheduler> scheduler_;
  PersistentState stored_;

 private:
  void Store(const StateChange& change) {
    if (const auto* put = std::get_if<PutRun>(&change)) {
      std::erase_if(stored_.runs, [&](const RunRecord& r) { return r.id == put->run.id; });
      stored_.runs.push_back(put->run);
      stored_.revision = std::max(stored_.revision, put->run.revision);
    } else if (const auto* put_job = std::get_if<PutJob>(&change)) {
      std::erase_if(stored_.jobs, [&](const JobRecord& j) { return j.id == put_job->job.id; });
      stored_.jobs.push_back(put_job->job);
    } else if (const auto* erase = std::get_if<EraseRun>(&change)) {
      std::erase_if(stored_.runs, [&](const RunRecord& r) { return r.id == erase->run; });
      std::erase_if(stored_.jobs, [&](const JobRecord& j) { return j.run == erase->run; });
    }
  }
};

}  // namespace rwku::scheduler
