#include "tests/simulation/simulation.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "server/store/mem_store.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/sim_coordinator.h"
#include "tests/simulation/sim_worker.h"

namespace rwku::simulation {
namespace {

constexpr absl::Duration kFaultsEnd = absl::Seconds(100);
constexpr absl::Duration kLimit = absl::Seconds(1000);
constexpr int kRuns = 4;

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : world_(options), checker_(store_), coordinator_(world_, store_, checker_) {}

  Report Run() {
    coordinator_.Start();
    const uint64_t workers = 3 + world_.random().Below(3);
    for (uint64_t i = 0; i < workers; ++i) {
      const WorkerId id(absl::StrCat("w", i));
      workers_.push_back(std::make_unique<SimWorker>(world_, coordinator_, id));
      coordinator_.AddWorker(id, workers_.back().get());
      workers_.back()->Start();
    }
    Random plan(world_.options().seed, "plan");  // the same with and without faults
    for (int i = 0; i < kRuns; ++i) {
      // Gangs of at most the fewest workers there are.
      const int ranks = i % 2 == 0 ? 1 : static_cast<int>(1 + plan.Below(3));
      const int jobs = static_cast<int>((8 + plan.Below(10)) / static_cast<uint64_t>(ranks));
      const int priority = static_cast<int>(plan.Below(2));
      world_.After(absl::Milliseconds(plan.Below(60'000)),
                   [this, i, jobs, priority, ranks] { Submit(i, jobs, priority, ranks); });
    }
    if (world_.faulty()) {
      ScheduleFault();
    }
    while (checker_.ok() && world_.RunOne(kFaultsEnd)) {
    }
    world_.StopFaults();
    for (const auto& worker : workers_) {
      worker->Resume();
    }
    ScheduleRetries();
    while (checker_.ok() && !Done() && world_.RunOne(kLimit)) {
    }
    return Finish();
  }

 private:
  bool Done() const {
    return coordinator_.scheduler() != nullptr && submitted_ == kRuns && checker_.AllTerminal() &&
           !Retryable();
  }

  Report Finish() {
    if (checker_.ok() && !Done()) {
      checker_.Violate(absl::StrCat("not every job ended within ", absl::ToInt64Seconds(kLimit),
                                    " virtual seconds"));
    }
    if (checker_.ok()) {
      checker_.CheckAll(*coordinator_.scheduler());
      checker_.CheckEnd();
    }
    Report report;
    report.violation = checker_.violation();
    report.trace_hash = world_.trace_hash();
    report.fault_counts = world_.fault_counts();
    for (const auto& [kind, count] : report.fault_counts) {
      report.faults += count;
    }
    for (const auto& worker : workers_) {
      report.model_loads += worker->model_loads();
    }
    for (const auto& [id, job] : checker_.jobs()) {
      const auto run = checker_.runs().find(job.run);
      report.turns += run == checker_.runs().end() ? 1 : run->second.ranks;
      if (job.state == scheduler::JobState::kSucceeded) {
        // Run ids differ from try to try; the specification names the job in every simulation.
        report.results[job.payload] = job.result;
      }
    }
    return report;
  }

  // Asks again, under the same request id, until it is answered.
  void Submit(int request, int jobs, int priority, int ranks) {
    scheduler::RunSubmitted event;
    event.run.id = RunId(absl::StrCat("r", ++next_run_));
    event.run.payload = absl::StrCat("request ", request);
    event.run.priority = priority;
    event.run.ranks = ranks;
    if (!world_.Has(Bug::kRequestIdIgnored)) {
      event.run.request_id = absl::StrCat("q", request);
      event.run.request_digest = event.run.payload;
    }
    for (int i = 0; i < jobs; ++i) {
      scheduler::JobRecord job;
      job.id = JobId(absl::StrCat(event.run.id.value(), "/", i));
      job.run = event.run.id;
      job.index = i;
      job.payload = absl::StrCat(i == 3 ? "bad" : "good", " job ", request, ".", i);
      job.model = absl::StrCat("model", i % 2);
      event.jobs.push_back(std::move(job));
    }
    auto answered = std::make_shared<bool>(false);
    coordinator_.Call(event, [this, answered, event](const absl::Status& verdict) {
      if (!verdict.ok()) {
        checker_.Violate(absl::StrCat("a submission was refused: ", verdict.ToString()));
        return;
      }
      if (world_.Fault("answer lost", 200)) {
        return;
      }
      *answered = true;
      ++submitted_;
      const scheduler::RunRecord* run =
          coordinator_.scheduler()->FindRunByRequestId(event.run.request_id);
      checker_.OnSubmitAcked(event.run.request_id, run == nullptr ? event.run.id : run->id);
    });
    if (!*answered) {
      world_.After(absl::Seconds(2), [this, request, jobs, priority, ranks] {
        Submit(request, jobs, priority, ranks);
      });
    }
  }

  // Jobs that failed by a fault, not by their input.
  bool Retryable() const {
    for (const auto& [id, job] : checker_.jobs()) {
      if (IsRetryable(job)) {
        return true;
      }
    }
    return false;
  }
  bool IsRetryable(const scheduler::JobRecord& job) const {
    return job.state == scheduler::JobState::kFailed && !IsBadInput(job.payload) &&
           checker_.runs().at(job.run).state != scheduler::RunState::kCancelled;
  }

  void RetryFailed() {
    std::vector<JobId> jobs;
    for (const auto& [id, job] : checker_.jobs()) {
      if (IsRetryable(job)) {
        jobs.push_back(id);
      }
    }
    for (const JobId& job : jobs) {
      coordinator_.Call(scheduler::JobRetryRequested{job}, [](const absl::Status& /*verdict*/) {});
    }
  }

  void ScheduleRetries() {
    RetryFailed();
    world_.After(absl::Seconds(10), [this] { ScheduleRetries(); });
  }

  RunId AnyRun() {
    const auto& runs = checker_.runs();
    if (runs.empty()) {
      return RunId("none");
    }
    return std::next(runs.begin(), static_cast<int>(world_.random().Below(runs.size())))->first;
  }

  void ScheduleFault() {
    world_.After(absl::Milliseconds(500 + world_.random().Below(4'000)), [this] {
      if (world_.faulty()) {
        InjectFault();
        ScheduleFault();
      }
    });
  }

  void InjectFault() {
    Random& random = world_.random();
    SimWorker& worker = *workers_[random.Below(workers_.size())];
    switch (random.Below(15)) {
      case 0:
      case 1:
        world_.CountFault("worker crash");
        worker.Crash(absl::Milliseconds(random.Below(15'000)));
        break;
      case 2:
      case 3:
        world_.CountFault("worker pause");
        worker.Pause(absl::Milliseconds(2'000 + random.Below(38'000)));
        break;
      case 4:
        world_.CountFault("worker drain");
        worker.Drain();
        break;
      case 13:
        world_.CountFault("drain asked");
        coordinator_.Call(scheduler::WorkerDraining{worker.id(), {}},
                          [](const absl::Status& /*verdict*/) {});
        break;
      case 5:
      case 6:
        world_.CountFault("coordinator crash");
        coordinator_.Crash(absl::Milliseconds(random.Below(20'000)));
        break;
      case 7:
      case 8:
        world_.CountFault("stream break");
        coordinator_.BreakStream(WorkerId(absl::StrCat("w", random.Below(workers_.size()))));
        break;
      case 9:
        world_.CountFault("wall clock jump");
        coordinator_.JumpWall(absl::Minutes(static_cast<int64_t>(random.Below(121)) - 60));
        break;
      case 10:
        coordinator_.FailNextCommit();
        break;
      case 11:
        world_.CountFault("retry");
        RetryFailed();
        break;
      case 12:
        if (random.Below(4) == 0) {
          world_.CountFault("cancel");
          const RunId run = AnyRun();
          coordinator_.Call(scheduler::RunCancelRequested{run},
                            [this, run](const absl::Status& verdict) {
                              if (verdict.ok()) {
                                checker_.OnCancelAcked(run);
                              }
                            });
        }
        break;
      default: {
        world_.CountFault("delete");
        const RunId run = AnyRun();
        checker_.OnDeleteAsked(run);
        coordinator_.Call(scheduler::RunDeleteRequested{run},
                          [this, run](const absl::Status& verdict) {
                            if (verdict.ok()) {
                              checker_.OnDeleteAcked(run);
                            }
                          });
        break;
      }
    }
  }

  World world_;
  store::MemStore store_;
  Checker checker_;
  SimCoordinator coordinator_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  int next_run_ = 0;
  int submitted_ = 0;
};

}  // namespace

Report Simulate(const Options& options) { return Simulation(options).Run(); }

}  // namespace rwku::simulation
