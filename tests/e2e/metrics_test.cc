// Both daemons' metrics port as real processes: what it answers through a run's life, and that
// Prometheus takes it.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/free_port.h"
#include "tests/testing/http_get.h"
#include "tests/testing/process.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

// Status code and body.
std::string Get(int port, const std::string& path) {
  const auto answer = testing::HttpGet(port, path);
  return answer.ok() ? absl::StrCat(answer->code, " ", answer->body) : answer.status().ToString();
}

// The value of a series, as /metrics writes it; empty without it.
std::string Value(const std::string& text, const std::string& series) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, absl::StrCat(series, " "))) {
      return std::string(line.substr(series.size() + 1));
    }
  }
  return "";
}

class MetricsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / absl::StrCat("metrics_test_", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    ASSERT_TRUE(rwku::testing::WriteFakeModel(root_ / "models" / "tiny", 1).ok());
    WriteDataset();
    server_port_ = testing::FreePort().value();
    worker_port_ = testing::FreePort().value();
    ClusterOptions options;
    options.root = root_ / "cluster";
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.server_flags = {"--metrics-listen", absl::StrCat("127.0.0.1:", server_port_)};
    options.worker_flags = {"--metrics-listen", absl::StrCat("127.0.0.1:", worker_port_)};
    cluster_ = std::make_unique<Cluster>(options);
  }
  void TearDown() override {
    if (HasFailure()) {
      std::cerr << cluster_->Logs();
    }
    cluster_.reset();
    fs::remove_all(root_);
  }

  void WriteDataset() const {
    const fs::path target = root_ / "datasets" / "small" / "Target" / "1_Ann_Example";
    fs::create_directories(target);
    const auto write = [&](const char* file, const std::string& text) {
      ASSERT_TRUE(WriteFileAtomically(target / file, text).ok());
    };
    write("intro.json", R"([{"subject": "Ann Example", "intro": "Ann Example paints."}])");
    write("positive.json", R"([{"subject": "Ann Example", "text": "Ann paints all day long."}])");
    write("forget_level1.json",
          R"([{"subject": "Ann Example", "query": "Ann was born in ___.", "answer": "1950",
               "level": "1", "type": "cloze"}])");
    write("neighbor_level1.json",
          R"([{"subject": "Ann Example", "neighbor": "Bob", "query": "Bob paints ___.",
               "answer": "walls", "level": "1", "type": "cloze"}])");
  }

  // promtool's opinion of `text`; empty if it has none.
  std::string PromtoolSays(const std::string& text) const {
    const fs::path file = root_ / "exposition";
    EXPECT_TRUE(WriteFileAtomically(file, text).ok());
    testing::ProcessOptions options;
    options.argv = {"sh", "-c", absl::StrCat("promtool check metrics < ", file.string())};
    options.stdout_file = root_ / "promtool.log";
    options.stderr_file = root_ / "promtool.log";
    fs::remove(options.stdout_file);
    auto process = testing::Process::Start(options);
    const auto exit = process->Wait(kPatience);
    const std::string said = ReadFile(options.stdout_file).value_or("");
    return exit.ok() && exit->code == 0 ? said : absl::StrCat("failed: ", said);
  }

  static bool HavePromtool() {
    return std::system("command -v promtool > /dev/null") == 0;  // NOLINT(concurrency-mt-unsafe)
  }

  std::string Run() {
    v1::CreateRunRequest request;
    v1::RunSpec* spec = request.mutable_spec();
    spec->set_model("tiny");
    spec->set_dataset("small");
    spec->set_display_name("a \"named\" run\\ with\nbreaks");
    spec->add_probe_sets("forget_level1");
    spec->add_probe_sets("neighbor_level1");
    spec->add_recipes()->set_method("ga");
    const auto run = cluster_->client().CreateRun(request);
    EXPECT_TRUE(run.ok()) << run.status();
    return run.ok() ? run->name() : "";
  }

  fs::path root_;
  int server_port_ = 0;
  int worker_port_ = 0;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(MetricsTest, FollowsARunFromStartToEnd) {
  ASSERT_TRUE(cluster_->StartServer().ok());
  EXPECT_EQ(Get(server_port_, "/healthz"), "200 ok\n");
  EXPECT_EQ(Get(server_port_, "/readyz"), "200 ok\n");
  const std::string run = Run();
  EXPECT_EQ(Value(Get(server_port_, "/metrics"), "rwku_server_jobs{state=\"queued\"}"), "1");

  ASSERT_TRUE(cluster_->StartWorker("w").ok());
  ASSERT_TRUE(testing::WaitUntil("the run's end", kPatience, [&] {
                const auto now = cluster_->client().GetRun(run);
                return now.ok() && now->state() == v1::RUN_STATE_SUCCEEDED;
              }).ok());
  // The runs' figures follow within two seconds.
  const std::string id = run.substr(run.find('/') + 1);
  const std::string done =
      absl::StrCat("rwku_server_run_jobs{run=\"", id, "\",state=\"succeeded\"}");
  ASSERT_TRUE(testing::WaitUntil("the run on the board", kPatience, [&] {
                return Value(Get(server_port_, "/metrics"), done) == "1";
              }).ok());

  const std::string server = Get(server_port_, "/metrics").substr(4);
  EXPECT_EQ(Value(server, "rwku_server_leases_granted_total"), "1");
  EXPECT_EQ(Value(server, "rwku_server_attempts_total{outcome=\"succeeded\"}"), "1");
  EXPECT_EQ(Value(server, "rwku_server_targets_done_total{method=\"ga\"}"), "1");
  EXPECT_EQ(Value(server, "rwku_server_workers{state=\"idle\"}"), "1");
  EXPECT_EQ(Value(server, "rwku_server_predictions_stored_total"), "2");
  EXPECT_EQ(Value(server, "rwku_server_rpc_in_flight{rpc=\"WorkerService/Connect\"}"), "1");
  EXPECT_EQ(Value(server,
                  "rwku_server_rpc_handled_total{code=\"OK\",rpc=\"UnlearningService/CreateRun\"}"),
            "1");

  EXPECT_EQ(Get(worker_port_, "/healthz"), "200 ok\n");
  EXPECT_EQ(Get(worker_port_, "/readyz"), "200 ok\n");
  const std::string worker = Get(worker_port_, "/metrics").substr(4);
  EXPECT_EQ(Value(worker, "rwku_worker_connected"), "1");
  EXPECT_EQ(Value(worker, "rwku_worker_attempts_total{outcome=\"succeeded\"}"), "1");
  EXPECT_EQ(Value(worker, "rwku_worker_model_loads_total"), "1");
  EXPECT_EQ(Value(worker, "rwku_worker_predictions_total"), "2");
  EXPECT_NE(Value(worker, "rwku_worker_training_steps_total{method=\"ga\"}"), "0");
  EXPECT_NE(Value(worker, "rwku_worker_training_tokens_total{method=\"ga\"}"), "0");
  EXPECT_EQ(Value(worker, "rwku_worker_stage_duration_seconds_count{stage=\"unlearn\"}"), "1");
  EXPECT_EQ(Value(worker, "rwku_worker_stage{stage=\"unlearn\"}"), "0");
  EXPECT_THAT(worker, HasSubstr("rwku_worker_info{worker=\"w\",device=\"cpu\",version=\""));

  if (!HavePromtool()) {
    GTEST_SKIP() << "no promtool to check the format (scripts/setup --tests)";
  }
  EXPECT_EQ(PromtoolSays(server), "");
  EXPECT_EQ(PromtoolSays(worker), "");
}

TEST_F(MetricsTest, AWorkerWithoutItsCoordinatorIsAliveButNotReady) {
  ASSERT_TRUE(cluster_->StartServer().ok());
  ASSERT_TRUE(cluster_->StartWorker("w").ok());
  ASSERT_TRUE(testing::WaitUntil("a welcomed worker", kPatience, [&] {
                return Get(worker_port_, "/readyz") == "200 ok\n";
              }).ok());
  cluster_->KillServer();
  ASSERT_TRUE(testing::WaitUntil("a worker that is not ready", kPatience, [&] {
                return absl::StartsWith(Get(worker_port_, "/readyz"), "503 ");
              }).ok());
  EXPECT_EQ(Get(worker_port_, "/healthz"), "200 ok\n");
  EXPECT_EQ(Value(Get(worker_port_, "/metrics"), "rwku_worker_connected"), "0");
  ASSERT_TRUE(cluster_->StartServer().ok());
  ASSERT_TRUE(testing::WaitUntil("a worker that is ready again", kPatience, [&] {
                return Get(worker_port_, "/readyz") == "200 ok\n";
              }).ok());
}

}  // namespace
}  // namespace rwku::e2e
