// Seeded simulations of the control plane. RWKU_SIMULATION_SEED=N runs one seed;
// RWKU_SIMULATION_SEEDS=N changes how many are run.
#include "tests/simulation/simulation.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rwku::simulation {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

std::string Replay(uint64_t seed) {
  return absl::StrCat("replay: RWKU_SIMULATION_SEED=", seed,
                      " simulation_test --gtest_filter=SimulationTest.EveryInvariant*");
}

TEST(SimulationTest, EveryInvariantHoldsUnderFaultsAndResultsAreThoseOfAQuietRun) {
  const uint64_t one = FromEnvironment("RWKU_SIMULATION_SEED", 0);
  const uint64_t first = one != 0 ? one : 1;
  const uint64_t count = one != 0 ? 1 : FromEnvironment("RWKU_SIMULATION_SEEDS", 1000);
  std::map<std::string, int> fired;
  for (uint64_t seed = first; seed < first + count; ++seed) {
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
    ASSERT_EQ(quiet.faults, 0);
    for (const auto& [job, result] : report.results) {
      const auto undisturbed = quiet.results.find(job);
      ASSERT_TRUE(undisturbed != quiet.results.end() && undisturbed->second == result)
          << job << "; " << Replay(seed);
    }
  }
  if (one == 0 && count >= 100) {
    for (const char* kind : {"answer lost", "attempt failure", "cancel", "commit failure",
                             "coordinator crash", "crash after a commit", "crash before a commit",
                             "delay", "delete", "drop", "duplicate", "retry", "stream break",
                             "wall clock jump", "worker crash", "worker drain", "worker pause"}) {
      EXPECT_GE(fired[kind], static_cast<int>(count / 10))
          << "the fault \"" << kind << "\" hardly ever happens";
    }
  }
}

TEST(SimulationTest, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
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
