// What the coordinator's present state says of the workers that it could use.
#include "server/metrics/state_metrics.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/clock.h"
#include "server/store/mem_store.h"
#include "tests/metrics/quiet_coordinator.h"

namespace rwku::metrics {
namespace {

using ::testing::Pair;

class StateMetricsTest : public ::testing::Test {
 protected:
  StateMetricsTest() {
    coordinator::Options options;
    options.tick_interval = absl::ZeroDuration();
    coordinator_ = coordinator::Coordinator::Create(options, &store_, &clock_).value();
  }

  void Settle() { Await(*coordinator_); }

  RunId Submit(int jobs, int ranks) {
    scheduler::RunRecord run;
    run.ranks = ranks;
    std::vector<scheduler::JobRecord> records(static_cast<size_t>(jobs));
    for (int i = 0; i < jobs; ++i) {
      records[static_cast<size_t>(i)].index = i;
    }
    RunId id;
    coordinator_->SubmitRun(std::move(run), std::move(records),
                            [&id](absl::StatusOr<RunId> made) { id = made.value(); });
    Settle();
    return id;
  }

  void Connect(const std::string& worker) {
    scheduler::WorkerConnected event;
    event.worker = WorkerId(worker);
    event.incarnation = "1";
    coordinator_->Connect(event, "", session_);
    Settle();
  }

  void CompleteWhatItHas(const std::string& worker) {
    std::vector<scheduler::Lease> leases;
    coordinator_->Peek(
        [&](const coordinator::View& view) { leases = view.workers.at(WorkerId(worker)).leases; });
    ASSERT_EQ(leases.size(), 1U);
    coordinator_->Complete({WorkerId(worker), leases[0], ""}, 0, session_);
    Settle();
  }

  // In all, and for the job that takes most.
  std::pair<double, double> Wanted() {
    std::pair<double, double> wanted = {-1, -1};
    for (const prometheus::MetricFamily& family :
         StateMetrics(coordinator_.get(), &clock_).Collect()) {
      if (family.name == "rwku_server_workers_wanted") {
        wanted.first = family.metric.at(0).gauge.value;
      } else if (family.name == "rwku_server_workers_wanted_at_once") {
        wanted.second = family.metric.at(0).gauge.value;
      }
    }
    return wanted;
  }

  const RealClock clock_;
  store::MemStore store_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  const std::shared_ptr<QuietSession> session_ = std::make_shared<QuietSession>();
};

TEST_F(StateMetricsTest, WithoutOpenJobsNoWorkerIsWanted) { EXPECT_THAT(Wanted(), Pair(0, 0)); }

TEST_F(StateMetricsTest, AGangWantsAWorkerForEachOfItsRanks) {
  Submit(3, 1);
  EXPECT_THAT(Wanted(), Pair(3, 1));
  Submit(2, 4);
  EXPECT_THAT(Wanted(), Pair(3 + 2 * 4, 4));
}

TEST_F(StateMetricsTest, AJobWantsItsWorkersUntilItEnds) {
  Submit(3, 1);
  const RunId gangs = Submit(2, 4);
  Connect("w");  // alone it cannot take a gang's job
  EXPECT_THAT(Wanted(), Pair(11, 4));
  CompleteWhatItHas("w");
  EXPECT_THAT(Wanted(), Pair(10, 4));
  coordinator_->Apply(scheduler::RunCancelRequested{gangs},
                      [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  Settle();
  EXPECT_THAT(Wanted(), Pair(2, 1));
}

}  // namespace
}  // namespace rwku::metrics
