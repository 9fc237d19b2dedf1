// Two thousand workers and their calls: /metrics stays small and quick.
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "base/clock.h"
#include "net/metrics/endpoint.h"
#include "server/metrics/metered_store.h"
#include "server/metrics/run_board.h"
#include "server/metrics/server_metrics.h"
#include "server/metrics/state_metrics.h"
#include "server/store/mem_store.h"
#include "tests/metrics/quiet_coordinator.h"
#include "tests/testing/http_get.h"

namespace rwku::metrics {
namespace {

using ::testing::HasSubstr;

constexpr int kWorkers = 2000;
constexpr int kRuns = 30;
constexpr int kJobsPerRun = 200;

class BoundedSeriesTest : public ::testing::Test {
 protected:
  BoundedSeriesTest() : metered_(&store_, &metrics_, &clock_) {
    coordinator::Options options;
    options.tick_interval = absl::ZeroDuration();
    options.on_lease_refused = [this] { metrics_.OnLeaseRefused(); };
    coordinator_ = coordinator::Coordinator::Create(options, &metered_, &clock_).value();
    state_ = std::make_unique<StateMetrics>(coordinator_.get(), &clock_);
    board_ = std::make_unique<RunBoard>(RunBoardOptions{.interval = absl::ZeroDuration()},
                                        coordinator_.get(), &store_, &clock_);
    endpoint_ = net::MetricsEndpoint::Start("127.0.0.1:0", nullptr).value();
    endpoint_->Add(&metrics_);
    endpoint_->Add(state_.get());
    endpoint_->Add(board_.get());
  }

  void Submit(int number) {
    scheduler::RunRecord run;
    v1::RunSpec spec;
    spec.set_display_name(absl::StrCat("run ", number));
    run.payload = spec.SerializeAsString();
    std::vector<scheduler::JobRecord> jobs;
    for (int i = 0; i < kJobsPerRun; ++i) {
      scheduler::JobRecord job;
      job.index = i;
      v1::JobSpec job_spec;
      job_spec.mutable_recipe()->set_method("ga");
      job_spec.mutable_recipe()->set_label(absl::StrCat("ga lr=", i));
      job.payload = job_spec.SerializeAsString();
      jobs.push_back(std::move(job));
    }
    coordinator_->SubmitRun(std::move(run), std::move(jobs),
                            [](absl::StatusOr<RunId> id) { EXPECT_TRUE(id.ok()) << id.status(); });
  }

  void Connect(int number) {
    scheduler::WorkerConnected event;
    event.worker = WorkerId(absl::StrCat("worker-", number));
    event.incarnation = "1";
    sessions_.push_back(std::make_shared<QuietSession>());
    coordinator_->Connect(event, "", sessions_.back());
    // Every one calls something, some what no server has.
    std::string method = absl::StrCat("/made.up.Service/Method", number);
    if (number % 2 == 0) {
      method = absl::StrCat("/rwku.v1.UnlearningService/", "GetRun");
    }
    metrics_.OnStarted(method);
    metrics_.OnEnded(method, static_cast<grpc::StatusCode>(number % 20), absl::Milliseconds(3));
  }

  // Takes its lease and ends it by success or failure, and says so twice: the second one is stale.
  void Work(int number) {
    const WorkerId worker(absl::StrCat("worker-", number));
    std::vector<scheduler::Lease> leases;
    coordinator_->Peek(
        [&](const coordinator::View& view) { leases = view.workers.at(worker).leases; });
    for (const scheduler::Lease& lease : leases) {
      for (int times = 0; times < 2; ++times) {
        if (number % 3 == 0) {
          coordinator_->Fail({worker, lease, scheduler::FailureClass::kInternal, "it broke"},
                             sessions_[static_cast<size_t>(number)]);
        } else {
          coordinator_->Complete({worker, lease, ""}, 0, sessions_[static_cast<size_t>(number)]);
        }
      }
    }
  }

  void Settle() { Await(*coordinator_); }

  std::string Scrape(absl::Duration* took) {
    const absl::Duration start = clock_.Monotonic();
    const auto answer = rwku::testing::HttpGet(endpoint_->port(), "/metrics");
    *took = clock_.Monotonic() - start;
    return answer.ok() ? answer->body : answer.status().ToString();
  }

  static int SeriesOf(const std::string& text) {
    int series = 0;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      series += line.empty() || line[0] == '#' ? 0 : 1;
    }
    return series;
  }

  const RealClock clock_;
  store::MemStore store_;
  ServerMetrics metrics_;
  MeteredStore metered_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<StateMetrics> state_;
  std::unique_ptr<RunBoard> board_;
  std::vector<std::shared_ptr<QuietSession>> sessions_;
  std::unique_ptr<net::MetricsEndpoint> endpoint_;  // last: it reads the others
};

TEST_F(BoundedSeriesTest, TwoThousandWorkersMakeNoSeriesOfTheirOwn) {
  absl::Duration took;
  const int idle = SeriesOf(Scrape(&took));
  for (int run = 0; run < kRuns; ++run) {
    Submit(run);
  }
  for (int worker = 0; worker < kWorkers; ++worker) {
    Connect(worker);
  }
  Settle();
  for (int worker = 0; worker < kWorkers; ++worker) {
    Work(worker);
  }
  Settle();
  board_->Refresh();
  const std::string text = Scrape(&took);
  const int series = SeriesOf(text);
  RecordProperty("series", series);
  RecordProperty("scrape_milliseconds", static_cast<int>(absl::ToInt64Milliseconds(took)));
  // Codes of the one method that was called and of "other", and the runs with their recipes.
  const int runs = static_cast<int>(RunBoard::kMaxRuns) * (8 + 4 * RunBoard::kMaxRecipes);
  EXPECT_LE(series, idle + 2 * 17 + runs);
  EXPECT_LT(took, absl::Seconds(1));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("rwku_server_leases_granted_total ", kWorkers * 2)));
  EXPECT_THAT(text, HasSubstr("rwku_server_workers{state=\"busy\"} 2000\n"));
  EXPECT_THAT(text, HasSubstr("rpc=\"other\""));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("worker-")));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("made.up")));
  std::cout << kWorkers << " workers: " << series << " series (" << idle << " without them), "
            << text.size() << " bytes in " << absl::FormatDuration(took) << "\n";
}

}  // namespace
}  // namespace rwku::metrics
