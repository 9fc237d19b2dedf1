// Gangs of processes against one rank alone.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/testing/free_port.h"
#include "tests/testing/process.h"
#include "tests/testing/temporary_folder.h"
#include "worker/engine/parallel/c10d_gang.h"
#include "worker/engine/parallel/training_cases_fixture.h"

namespace rwku::engine {
namespace {

using rwku::testing::Process;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

std::string FreeAddress() {
  const auto port = rwku::testing::FreePort();
  EXPECT_TRUE(port.ok()) << port.status();
  return absl::StrCat("127.0.0.1:", port.value_or(1));
}

// The ranks of one gang. `before` goes in front of each rank's command.
class Ranks {
 public:
  Ranks(std::string mode, int world_size, std::string address)
      : mode_(std::move(mode)), world_size_(world_size), address_(std::move(address)) {}

  void Start(int rank, const std::vector<std::string>& before = {}) {
    std::vector<std::string> argv = before;
    for (const std::string& word : std::vector<std::string>{
             RWKU_TESTING_RANK, mode_, absl::StrCat(rank), absl::StrCat(world_size_), address_,
             "job 1/1", folder_.path().string()}) {
      argv.push_back(word);
    }
    auto process = Process::Start({.argv = argv,
                                   .env = {{"OMP_NUM_THREADS", "1"}},
                                   .stdout_file = Log(rank),
                                   .stderr_file = Log(rank)});
    ASSERT_TRUE(process.ok()) << process.status();
    processes_.emplace_back(rank, *std::move(process));
  }
  void StartAll() {
    for (int rank = 0; rank < world_size_; ++rank) {
      Start(rank);
    }
  }

  Process& process(int rank) {
    return std::find_if(processes_.begin(), processes_.end(),
                        [rank](const auto& one) { return one.first == rank; })
        ->second;
  }

  std::filesystem::path File(int rank, const std::string& what) const {
    return folder_ / absl::StrCat(rank, ".", what);
  }

  // What the rank says in the end.
  std::string Status(int rank, absl::Duration limit = kLong) {
    const auto line = rwku::testing::WaitForLine(File(rank, "status"), limit);
    if (!line.ok()) {
      return absl::StrCat(line.status().ToString(), "; log: ", ReadFile(Log(rank)).value_or(""));
    }
    const auto exit = process(rank).Wait(kLong);
    EXPECT_TRUE(exit.ok() && exit->code == 0) << (exit.ok() ? exit->ToString() : "runs on");
    return *line;
  }

 private:
  std::filesystem::path Log(int rank) const { return folder_ / absl::StrCat(rank, ".log"); }

  const std::string mode_;
  const int world_size_;
  const std::string address_;
  const rwku::testing::TemporaryFolder folder_;
  std::vector<std::pair<int, Process>> processes_;
};

const std::vector<CaseResult>& OneRank() {
  static const std::vector<CaseResult> results = [] {
    at::set_num_threads(1);
    std::vector<CaseResult> all;
    for (const TrainingCase& one : TrainingCases()) {
      auto result = RunCase(one, nullptr, CancelToken());
      EXPECT_TRUE(result.ok()) << one.name << ": " << result.status();
      all.push_back(result.value_or(CaseResult{}));
    }
    return all;
  }();
  return results;
}

void ExpectNear(const std::vector<double>& found, const std::vector<double>& expected,
                double tolerance, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], tolerance * std::abs(expected[i]))
        << what << ", step " << i + 1;
  }
}

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = a.size() == b.size() ? 0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

// Ranks that shard hold together what one rank holds, each its share of the numbers; of gradients
// beside it no more than what is on its way and what a pass has just made.
void ExpectMemoryOf(const std::vector<std::vector<std::string>>& lines, size_t index,
                    const CaseResult& alone, const TrainingCase& one, int world_size) {
  constexpr int64_t kLargestWeight = 640;  // numbers, of CaseModel
  const int64_t bytes = c10::elementSize(one.dtype);
  int64_t together = 0;
  for (const auto& rank_lines : lines) {
    const CaseResult rank = FromText(rank_lines[index]);
    together += rank.held_optimizer_bytes;
    if (!one.plan.shard_optimizer_state) {
      EXPECT_EQ(rank.held_optimizer_bytes, alone.held_optimizer_bytes);
      EXPECT_EQ(rank.held_gradient_bytes, alone.held_gradient_bytes);
      continue;
    }
    EXPECT_LE(rank.held_optimizer_bytes,
              alone.held_optimizer_bytes / world_size + 12 * kLargestWeight);
    EXPECT_LE(rank.held_gradient_bytes,
              alone.held_gradient_bytes / world_size + 3 * bytes * kLargestWeight);
  }
  if (one.plan.shard_optimizer_state) {
    EXPECT_EQ(together, alone.held_optimizer_bytes);
  }
}

// Every rank's results are those of one rank, and bit for bit each other's.
void ExpectResultsOfOneRank(Ranks& ranks, int world_size) {
  for (int rank = 0; rank < world_size; ++rank) {
    ASSERT_EQ(ranks.Status(rank), "OK") << rank;
  }
  std::vector<std::vector<std::string>> lines;
  for (int rank = 0; rank < world_size; ++rank) {
    const auto text = ReadFile(ranks.File(rank, "txt"));
    ASSERT_TRUE(text.ok()) << text.status();
    lines.push_back(absl::StrSplit(*text, '\n', absl::SkipEmpty()));
  }
  const std::vector<TrainingCase> cases = TrainingCases();
  ASSERT_EQ(lines[0].size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].name);
    const CaseResult& expected = OneRank()[i];
    const CaseResult found = FromText(lines[0][i]);
    // In bfloat16 sums of gradients are rounded wherever they are added.
    const bool is_exact = cases[i].dtype == at::kFloat;
    ExpectNear(found.losses, expected.losses, is_exact ? 1e-5 : 1e-3, "loss");
    ExpectNear(found.norms, expected.norms, is_exact ? 1e-4 : 1e-2, "gradient norm");
    EXPECT_LE(LargestDifference(found.weights, expected.weights), is_exact ? 1e-5 : 2e-3);
    EXPECT_EQ(found.reference_texts, expected.reference_texts);
    const int64_t ranks_of_moments = cases[i].plan.shard_optimizer_state ? world_size : 1;
    EXPECT_EQ(found.optimizer_bytes, expected.optimizer_bytes / ranks_of_moments);
    ExpectMemoryOf(lines, i, expected, cases[i], world_size);
    for (int rank = 1; rank < world_size; ++rank) {
      const CaseResult other = FromText(lines[static_cast<size_t>(rank)][i]);
      EXPECT_EQ(found.losses, other.losses) << rank;
      EXPECT_EQ(found.weights, other.weights) << rank;
    }
  }
}

// The comparison means nothing where trainings do nothing.
TEST(ParallelTest, TheTrainingsMoveTheWeightsAndClip) {
  const std::vector<TrainingCase> cases = TrainingCases();
  for (size_t i = 0; i < cases.size(); ++i) {
    TrainingCase still = cases[i];
    still.plan.learning_rate = 1e-12;
    still.plan.epochs = 1;
    still.plan.accumulation = 7;
    const auto before = RunCase(still, nullptr, CancelToken());
    ASSERT_TRUE(before.ok()) << cases[i].name << ": " << before.status();
    EXPECT_GT(LargestDifference(OneRank()[i].weights, before->weights), 5e-4) << cases[i].name;
    const bool clips = OneRank()[i].norms.front() > cases[i].plan.max_gradient_norm;
    EXPECT_EQ(clips, cases[i].name != "without clipping") << cases[i].name;
  }
}

TEST(ParallelTest, TwoRanksTrainAsOne) {
  Ranks ranks("cases", 2, FreeAddress());
  ranks.StartAll();
  ExpectResultsOfOneRank(ranks, 2);
}

TEST(ParallelTest, FourRanksTrainAsOne) {
  Ranks ranks("cases", 4, FreeAddress());
  ranks.StartAll();
  ExpectResultsOfOneRank(ranks, 4);
}

// Two network namespaces, joined by a pair of virtual cards; gone with this object.
class TwoNetworks {
 public:
  TwoNetworks() : id_(absl::StrCat("rwku", getpid() % 100000)) {}
  ~TwoNetworks() {
    Ip({"netns", "del", Name(0)});
    Ip({"netns", "del", Name(1)});
  }
  TwoNetworks(const TwoNetworks&) = delete;
  TwoNetworks& operator=(const TwoNetworks&) = delete;

  // False where this machine does not allow it.
  bool Make() const {
    for (const int side : {0, 1}) {
      if (!Ip({"netns", "add", Name(side)})) {
        return false;
      }
    }
    bool made = Ip({"-n", Name(0), "link", "add", Card(0), "type", "veth", "peer", "name", Card(1),
                    "netns", Name(1)});
    for (const int side : {0, 1}) {
      made = made &&
             Ip({"-n", Name(side), "addr", "add", absl::StrCat(Address(side), "/24"), "dev",
                 Card(side)}) &&
             Ip({"-n", Name(side), "link", "set", Card(side), "up"}) &&
             Ip({"-n", Name(side), "link", "set", "lo", "up"});
    }
    return made;
  }

  static std::string Address(int side) { return absl::StrCat("10.231.77.", side + 1); }
  std::string Name(int side) const { return absl::StrCat(id_, "n", side); }
  std::string Card(int side) const { return absl::StrCat(id_, "c", side); }

 private:
  static bool Ip(std::vector<std::string> words) {
    words.insert(words.begin(), "ip");
    auto process = Process::Start({.argv = words});
    const auto exit = process.ok() ? process->Wait(kLong) : process.status();
    return exit.ok() && exit->code == 0;
  }

  const std::string id_;
};

TEST(ParallelTest, RanksOnTwoNetworksTrainAsOne) {
  const TwoNetworks networks;
  if (!networks.Make()) {
    GTEST_SKIP() << "no network namespaces here: they need root and iproute2's ip";
  }
  Ranks ranks("cases", 2, absl::StrCat(TwoNetworks::Address(0), ":7460"));
  ranks.Start(0, {"ip", "netns", "exec", networks.Name(0)});
  ranks.Start(1, {"ip", "netns", "exec", networks.Name(1)});
  ExpectResultsOfOneRank(ranks, 2);
}

// Its sockets close, too, and with rank 0 the store, but that is not what the others report.
void ExpectThatAllRanksAreOutOfMemory(const std::string& mode, int world_size) {
  Ranks ranks(mode, world_size, FreeAddress());
  ranks.StartAll();
  for (int rank = 0; rank < world_size; ++rank) {
    const std::string status = ranks.Status(rank);
    EXPECT_THAT(status, HasSubstr("RESOURCE_EXHAUSTED: gang \"job 1/1\", rank ")) << rank;
    EXPECT_THAT(status, HasSubstr("no memory is left")) << rank;
  }
}

TEST(ParallelTest, EveryRankReportsWhatTheFirstToFailInTrainingMet) {
  ExpectThatAllRanksAreOutOfMemory("exhaust", 2);
}

TEST(ParallelTest, EveryRankReportsWhatRankZeroMetWhileTheyWaited) {
  ExpectThatAllRanksAreOutOfMemory("fail", 3);
}

TEST(ParallelTest, AProcessThatALostRankWouldEndJoinsNoGang) {
  GangPlan plan;
  plan.world_size = 2;
  plan.rank = 1;
  plan.rendezvous = "127.0.0.1:1";
  plan.name = "job 1/1";
  const auto gang = JoinC10dGang(plan, at::kCPU, CancelToken());
  EXPECT_EQ(gang.status().code(), absl::StatusCode::kFailedPrecondition) << gang.status();
  EXPECT_THAT(std::string(gang.status().message()), HasSubstr("SIGPIPE"));
}

struct Loss {
  std::string mode;
  int victim = 1;
  int signal = SIGKILL;
};

std::ostream& operator<<(std::ostream& out, const Loss& loss) {
  return out << "signal " << loss.signal << " to rank " << loss.victim << " in " << loss.mode;
}

std::string NameOf(const ::testing::TestParamInfo<Loss>& info) {
  return absl::StrCat(info.param.mode, "_", info.param.signal == SIGKILL ? "kill" : "stop", "_",
                      info.param.victim);
}

class LostRankTest : public ::testing::TestWithParam<Loss> {};

TEST_P(LostRankTest, TheOtherEndsWithinItsBound) {
  const auto& [mode, victim, signal] = GetParam();
  // A gang of three of which one never comes keeps two in the join.
  const bool in_join = mode == "join";
  Ranks ranks(mode, in_join ? 3 : 2, FreeAddress());
  ranks.Start(0);
  ranks.Start(1);
  if (in_join) {
    // Both have registered and were heard of.
    absl::SleepFor(absl::Seconds(3));
  } else {
    for (const int rank : {0, 1}) {
      const auto line = rwku::testing::WaitForLine(
          ranks.File(rank, mode == "train" ? "trains" : "joined"), kLong);
      ASSERT_TRUE(line.ok()) << line.status() << ranks.Status(rank, absl::Seconds(1));
    }
    absl::SleepFor(absl::Seconds(1));
  }
  ASSERT_TRUE(ranks.process(victim).Signal(signal).ok());
  const RealClock clock;
  const absl::Duration start = clock.Monotonic();
  const std::string status = ranks.Status(1 - victim, absl::Seconds(20));
  const absl::Duration took = clock.Monotonic() - start;
  EXPECT_THAT(status, HasSubstr("UNAVAILABLE: gang \"job 1/1\", rank "));
  // The time-out of 2 s, a beat, and the process's end on a busy machine.
  EXPECT_LT(took, absl::Seconds(8)) << status;
  RecordProperty("seconds", absl::FormatDuration(took));
  RecordProperty("said", status);
  ranks.process(victim).Kill();
}

INSTANTIATE_TEST_SUITE_P(ParallelTest, LostRankTest,
                         ::testing::Values(Loss{"join", 1, SIGKILL}, Loss{"join", 1, SIGSTOP},
                                           Loss{"join", 0, SIGSTOP}, Loss{"gather", 1, SIGKILL},
                                           Loss{"gather", 1, SIGSTOP}, Loss{"train", 1, SIGKILL},
                                           Loss{"train", 1, SIGSTOP}, Loss{"train", 0, SIGKILL},
                                           Loss{"train", 0, SIGSTOP}),
                         NameOf);

}  // namespace
}  // namespace rwku::engine
