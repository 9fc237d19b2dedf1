// The daemon as a process: flags, exit codes and signals.
#include "worker/agent/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/process.h"
#include "worker/agent/testing_coordinator.h"

namespace rwku::agent {
namespace {

using ::rwku::testing::Process;
using ::rwku::testing::WaitForText;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat(
                "daemon_test_", getpid(), "_",
                absl::StrReplaceAll(::testing::UnitTest::GetInstance()->current_test_info()->name(),
                                    {{"/", "_"}}));
    log_ = root_ / "log";
    ASSERT_TRUE(rwku::testing::WriteFakeModel(root_ / "models" / "tiny", 1).ok());
    const std::filesystem::path target = root_ / "datasets" / "small" / "Target" / "1_Ann_Example";
    std::filesystem::create_directories(target);
    Write(target / "intro.json", R"([{"subject": "Ann Example", "intro": "Ann Example paints."}])");
    Write(target / "positive.json", R"([{"subject": "Ann Example", "text": "Ann paints."}])");
    Write(target / "forget_level1.json",
          R"([{"subject": "Ann Example", "query": "Ann was born in ___.", "answer": "1950",
               "level": "1", "type": "cloze"}])");
  }

  void TearDown() override { std::filesystem::remove_all(root_); }

  static void Write(const std::filesystem::path& path, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  }

  absl::StatusOr<Process> StartWorker(
      const std::vector<std::string>& extra,
      std::vector<std::pair<std::string, std::string>> env = {}) const {
    const char* folder = std::getenv("RWKU_BINARY_DIR");  // NOLINT(concurrency-mt-unsafe)
    rwku::testing::ProcessOptions options;
    options.argv = {absl::StrCat(folder == nullptr ? "." : folder, "/bin/rwku-worker-fake"),
                    "--models", (root_ / "models").string(), "--datasets",
                    (root_ / "datasets").string()};
    options.argv.insert(options.argv.end(), extra.begin(), extra.end());
    options.env = std::move(env);
    options.stdout_file = log_;
    options.stderr_file = log_;
    return Process::Start(options);
  }

  std::string Log() const { return ReadFile(log_).value_or(""); }
  std::string Server() const { return absl::StrCat("127.0.0.1:", coordinator_.port()); }

  static v1::CoordinatorMessage MakeAssign() {
    v1::CoordinatorMessage message;
    v1::Assign* assign = message.mutable_assign();
    assign->mutable_lease()->set_job("runs/r/jobs/0");
    assign->mutable_lease()->set_fencing_token(1);
    v1::JobSpec* spec = assign->mutable_spec();
    spec->set_model("tiny");
    spec->set_dataset("small");
    spec->set_target("Ann Example");
    spec->add_probe_sets("forget_level1");
    v1::Recipe* recipe = spec->mutable_recipe();
    recipe->set_method("ga");
    recipe->set_tuning(v1::TUNING_KIND_FULL);
    recipe->set_learning_rate(1e-5);
    recipe->set_batch_size(1);
    recipe->set_accumulation(1);
    recipe->set_epochs(3);
    return message;
  }

  std::filesystem::path root_;
  std::filesystem::path log_;
  TestingCoordinator coordinator_;
};

TEST_F(DaemonTest, BadFlagsAreNamedAndExitWithTwo) {
  struct Case {
    std::vector<std::string> flags;
    std::string named;
  };
  for (const Case& item :
       {Case{{"--device", "gpu"}, "--device"}, Case{{"--threads", "0"}, "--threads"},
        Case{{"--name", "a b"}, "--name"}, Case{{"--drain-timeout", "soon"}, "--drain-timeout"},
        Case{{"--models", "/no/such/folder"}, "/no/such/folder"},
        Case{{"--gang-timeout", "2m", "--abort-timeout", "2m"},
             "--abort-timeout: found 2m; allowed is more than --gang-timeout, which is 2m"},
        Case{{"--server", "nowhere"}, "rwku-worker: --server: "}}) {
    auto worker = StartWorker(item.flags);
    ASSERT_TRUE(worker.ok()) << worker.status();
    const auto end = worker->Wait(kPatience);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(end->ToString(), "exit code 2");
    EXPECT_THAT(Log(), HasSubstr(item.named));
  }
}

TEST_F(DaemonTest, AnEngineThatCannotBeMadeOfTheFlagsExitsWithTwoInPlainWords) {
  auto worker = StartWorker({}, {{"RWKU_FAKE_STEP_MS", "soon"}});
  ASSERT_TRUE(worker.ok()) << worker.status();
  EXPECT_EQ(worker->Wait(kPatience)->ToString(), "exit code 2");
  EXPECT_THAT(Log(), HasSubstr("\nrwku-worker: RWKU_FAKE_STEP_MS: \"soon\""));
}

TEST_F(DaemonTest, RunsAnAssignedJobAndTakesItsFlagsFromTheEnvironment) {
  auto worker = StartWorker({}, {{"RWKU_SERVER", Server()}, {"RWKU_NAME", "from-env"}});
  ASSERT_TRUE(worker.ok()) << worker.status();
  const auto hello = coordinator_.Await([](const auto& message) { return message.has_hello(); });
  ASSERT_TRUE(hello.has_value()) << Log();
  EXPECT_EQ(hello->hello().worker(), "from-env");
  ASSERT_TRUE(coordinator_.Await([](const auto& message) { return message.has_heartbeat(); }));
  ASSERT_TRUE(coordinator_.Send(MakeAssign()));
  const auto completed =
      coordinator_.Await([](const auto& message) { return message.has_completed(); });
  ASSERT_TRUE(completed.has_value()) << Log();
  EXPECT_EQ(completed->completed().result().prediction_count(), 1);
  EXPECT_EQ(completed->completed().result().training_curve_size(), 3);
  EXPECT_TRUE(coordinator_.Await([](const auto& message) {
    return message.has_heartbeat() && message.heartbeat().resident_models_size() == 1 &&
           message.heartbeat().resident_models(0) == "tiny";
  }));
}

TEST_F(DaemonTest, SigtermDrainsAnIdleWorker) {
  auto worker = StartWorker({"--server", Server()});
  ASSERT_TRUE(worker.ok()) << worker.status();
  ASSERT_TRUE(coordinator_.Await([](const auto& message) { return message.has_heartbeat(); }));
  ASSERT_TRUE(worker->Signal(SIGTERM).ok());
  const auto end = worker->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status() << Log();
  EXPECT_EQ(end->ToString(), "exit code 0");
}

TEST_F(DaemonTest, ASecondSignalGivesTheLeaseBackAtOnce) {
  auto worker = StartWorker({"--server", Server(), "--drain-timeout", "1h"},
                            {{"RWKU_FAKE_STEP_MS", "3600000"}});
  ASSERT_TRUE(worker.ok()) << worker.status();
  ASSERT_TRUE(coordinator_.Await([](const auto& message) { return message.has_heartbeat(); }));
  ASSERT_TRUE(coordinator_.Send(MakeAssign()));
  ASSERT_TRUE(coordinator_.Await([](const auto& message) {
    return message.has_progress() && message.progress().progress().stage() == "unlearn";
  })) << Log();
  ASSERT_TRUE(worker->Signal(SIGTERM).ok());
  ASSERT_TRUE(coordinator_.Await([](const auto& message) { return message.has_draining(); }));
  EXPECT_TRUE(worker->Running());
  ASSERT_TRUE(worker->Signal(SIGINT).ok());
  const auto released = coordinator_.Await([](const auto& message) {
    return message.has_draining() && message.draining().released_size() == 1;
  });
  EXPECT_TRUE(released.has_value());
  const auto end = worker->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status() << Log();
  EXPECT_EQ(end->ToString(), "exit code 0");
}

// What the first process could not do ends with a failure of the infrastructure and exit code 3;
// the one that a supervisor starts next does it.
struct BrokenCase {
  std::string name;
  std::pair<std::string, std::string> variable;  // of the environment, to break the first process
  std::string message;                           // in the report
};

void PrintTo(const BrokenCase& test, std::ostream* out) { *out << test.name; }

class BrokenProcessTest : public DaemonTest, public ::testing::WithParamInterface<BrokenCase> {};

TEST_P(BrokenProcessTest, ReportsAndMakesRoomForTheNext) {
  const std::vector<std::string> flags = {"--server",        Server(), "--name",          "w0",
                                          "--gang-timeout",  "100ms",  "--abort-timeout", "200ms",
                                          "--stall-timeout", "300ms"};
  auto broken = StartWorker(flags, {GetParam().variable});
  ASSERT_TRUE(broken.ok()) << broken.status();
  const auto is_heartbeat = [](const auto& message) { return message.has_heartbeat(); };
  ASSERT_TRUE(coordinator_.Await(is_heartbeat));
  ASSERT_TRUE(coordinator_.Send(MakeAssign()));
  const auto failed = coordinator_.Await([](const auto& message) { return message.has_failed(); });
  ASSERT_TRUE(failed.has_value()) << Log();
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_THAT(failed->failed().message(), HasSubstr(GetParam().message));
  const auto end = broken->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status() << Log();
  EXPECT_EQ(end->ToString(), "exit code 3") << Log();

  ASSERT_TRUE(coordinator_.AwaitStreamsEnded(1));
  while (coordinator_.Has(is_heartbeat)) {
    coordinator_.Await(is_heartbeat);
  }
  auto next = StartWorker(flags);
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_TRUE(coordinator_.Await(is_heartbeat)) << Log();
  v1::CoordinatorMessage again = MakeAssign();
  again.mutable_assign()->mutable_lease()->set_fencing_token(2);
  ASSERT_TRUE(coordinator_.Send(again)) << Log();
  EXPECT_TRUE(coordinator_.Await([](const auto& message) { return message.has_completed(); }))
      << Log();
}

INSTANTIATE_TEST_SUITE_P(Reasons, BrokenProcessTest,
                         ::testing::Values(BrokenCase{"LostDevice",
                                                      {"RWKU_FAKE_LOST_STEP", "2"},
                                                      "the device is lost at step 2"},
                                           BrokenCase{"HangingCall",
                                                      {"RWKU_FAKE_HANG_STEP", "2"},
                                                      "no progress for 300ms since unlearn 1/"}),
                         [](const auto& info) { return info.param.name; });

TEST_F(DaemonTest, AnotherProtocolVersionEndsItWithOne) {
  coordinator_.set_refusal(
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "worker speaks 1, coordinator 2"));
  auto worker = StartWorker({"--server", Server()});
  ASSERT_TRUE(worker.ok()) << worker.status();
  const auto end = worker->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->ToString(), "exit code 1");
  EXPECT_THAT(Log(), HasSubstr("\nrwku-worker: worker speaks 1, coordinator 2\n"));
}

TEST_F(DaemonTest, AnUnreachableCoordinatorIsSaidOnceAndTriedOn) {
  auto worker = StartWorker({"--server", "127.0.0.1:1"});
  ASSERT_TRUE(worker.ok()) << worker.status();
  ASSERT_TRUE(WaitForText(log_, "cannot reach the coordinator", kPatience).ok()) << Log();
  EXPECT_TRUE(worker->Running());
  ASSERT_TRUE(worker->Signal(SIGTERM).ok());
  EXPECT_EQ(worker->Wait(kPatience)->ToString(), "exit code 0");
}

}  // namespace
}  // namespace rwku::agent
