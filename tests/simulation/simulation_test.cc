// Seeded simulations of the control plane, in shards. RWKU_SIMULATION_SEED=N runs one seed, in the
// first shard; RWKU_SIMULATION_SEEDS=N changes how many are run by all shards together. A seed that
// fails, or ends in an abort, prints the command that runs it again.
#include "tests/simulation/simulation.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rwku::simulation {
namespace {

constexpr int kShards = 20;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

std::string Replay(uint64_t seed) {
  static const std::string binary = std::filesystem::read_symlink("/proc/self/exe").string();
  return absl::StrCat("replay: RWKU_SIMULATION_SEED=", seed, " ", binary,
                      " --gtest_filter='*EveryInvariantTest*/0'");
}

// The command for the seed that runs, for the handler of SIGABRT: it may only read and write.
class ReplayOnAbort {
 public:
  explicit ReplayOnAbort(uint64_t seed) : text_(Replay(seed) + "\n") {
    current_ = this;
    struct sigaction action {};
    action.sa_handler = Print;
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGABRT, &action, nullptr);
  }
  ~ReplayOnAbort() { current_ = nullptr; }
  ReplayOnAbort(const ReplayOnAbort&) = delete;
  ReplayOnAbort& operator=(const ReplayOnAbort&) = delete;

 private:
  static void Print(int /*signal*/) {
    if (const ReplayOnAbort* current = current_; current != nullptr) {
      const ssize_t written = write(STDERR_FILENO, current->text_.data(), current->text_.size());
      static_cast<void>(written);  // there is nobody to tell
    }
  }

  static std::atomic<const ReplayOnAbort*> current_;
  const std::string text_;
};
std::atomic<const ReplayOnAbort*> ReplayOnAbort::current_ = nullptr;

class EveryInvariantTest : public testing::TestWithParam<int> {};

TEST_P(EveryInvariantTest, HoldsUnderFaultsAndResultsAreThoseOfAQuietRun) {
  const uint64_t one = FromEnvironment("RWKU_SIMULATION_SEED", 0);
  if (one != 0 && GetParam() != 0) {
    GTEST_SKIP() << "the one seed runs in the first shard";
  }
  const uint64_t count = one != 0 ? 1 : FromEnvironment("RWKU_SIMULATION_SEEDS", 1000) / kShards;
  const uint64_t first = one != 0 ? one : 1 + static_cast<uint64_t>(GetParam()) * count;
  std::map<std::string, int> fired;
  int model_loads = 0;
  int turns = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const ReplayOnAbort replay(seed);
    Options options;
    options.seed = seed;
    const Report report = Simulate(options);
    ASSERT_EQ(report.violation, "") << Replay(seed);
    ASSERT_GE(report.faults, 10) << Replay(seed);
    for (const auto& [kind, times] : report.fault_counts) {
      ++fired[kind];
    }
    options.faults = false;
    const Report quiet = Simulate(options);
    ASSERT_EQ(quiet.violation, "") << Replay(seed);
    ASSERT_EQ(quiet.faults, 0) << Replay(seed);
    model_loads += quiet.model_loads;
    turns += quiet.turns;
    for (const auto& [job, result] : report.results) {
      const auto undisturbed = quiet.results.find(job);
      ASSERT_TRUE(undisturbed != quiet.results.end() && undisturbed->second == result)
          << job << "; " << Replay(seed);
    }
  }
  if (count >= 50) {
    // A run's jobs want two models in turn: without affinity, every second one loads its own.
    EXPECT_LE(model_loads, turns / 3);
    for (const char* kind :
         {"answer lost", "attempt failure", "cancel", "commit failure", "coordinator crash",
          "crash after a commit", "crash before a commit", "delay", "delete", "drain asked", "drop",
          "duplicate", "gang timeout", "retry", "stream break", "wall clock jump", "worker crash",
          "worker drain", "worker pause"}) {
      EXPECT_GE(fired[kind], static_cast<int>(count / 10))
          << "the fault \"" << kind << "\" hardly ever happens";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, EveryInvariantTest, testing::Range(0, kShards));

TEST(SimulationDeathTest, AnAbortPrintsTheCommandThatRunsTheSeedAgain) {
  EXPECT_DEATH(
      {
        const ReplayOnAbort replay(17);
        std::abort();
      },
      "replay: RWKU_SIMULATION_SEED=17 /.*/simulation_test --gtest_filter=");
}

TEST(SimulationTest, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const ReplayOnAbort replay(seed);
    Options options;
    options.seed = seed;
    EXPECT_EQ(Simulate(options).trace_hash, Simulate(options).trace_hash) << Replay(seed);
  }
}

struct PlantedBug {
  std::string name;
  Bug bug;
};

class PlantedBugTest : public testing::TestWithParam<PlantedBug> {};

TEST_P(PlantedBugTest, IsFoundWithinAThousandSeeds) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    Options options;
    options.seed = seed;
    options.bug = GetParam().bug;
    if (const Report report = Simulate(options); !report.violation.empty()) {
      std::printf("found by seed %d: %s\n", static_cast<int>(seed), report.violation.c_str());
      return;
    }
  }
  FAIL() << "no seed shows it";
}

INSTANTIATE_TEST_SUITE_P(
    All, PlantedBugTest,
    testing::Values(PlantedBug{"AckBeforeCommit", Bug::kAckBeforeCommit},
                    PlantedBug{"ChunksNotFenced", Bug::kChunksNotFenced},
                    PlantedBug{"CompletionsNotFenced", Bug::kCompletionsNotFenced},
                    PlantedBug{"CommitNotAtomic", Bug::kCommitNotAtomic},
                    PlantedBug{"LeaseNotStored", Bug::kLeaseNotStored},
                    PlantedBug{"RequestIdIgnored", Bug::kRequestIdIgnored},
                    PlantedBug{"TokensForgottenOnRestart", Bug::kTokensForgottenOnRestart}),
    [](const testing::TestParamInfo<PlantedBug>& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::simulation
