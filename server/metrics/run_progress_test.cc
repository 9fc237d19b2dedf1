#include "server/metrics/run_progress.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using scheduler::JobState;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

JobFacts Succeeded(int recipe, absl::Duration took, const JobScores* scores = nullptr) {
  return {recipe, JobState::kSucceeded, kStart, kStart + took, scores};
}
JobFacts Leased(int recipe, absl::Time since) {
  return {recipe, JobState::kLeased, since, std::nullopt, nullptr};
}
JobFacts Queued(int recipe) {
  return {recipe, JobState::kQueued, std::nullopt, std::nullopt, nullptr};
}

TEST(RunProgressTest, TheTimeLeftIsTheWorkLeftOverTheWorkersThatDoIt) {
  // A job of recipe 0 takes 10 s, one of recipe 1 takes 30 s.
  const std::vector<JobFacts> jobs = {Succeeded(0, absl::Seconds(10)),
                                      Succeeded(1, absl::Seconds(20)),
                                      Succeeded(1, absl::Seconds(40)),
                                      Leased(0, kStart + absl::Seconds(96)),  // 6 s left
                                      Leased(1, kStart + absl::Seconds(20)),  // over its time
                                      Queued(1)};                             // 30 s
  const RunProgress progress = Summarize(jobs, 2, kStart + absl::Seconds(100));
  ASSERT_TRUE(progress.remaining.has_value());
  EXPECT_EQ(*progress.remaining, absl::Seconds(18));
  EXPECT_EQ(progress.jobs[JobState::kSucceeded], 3);
  EXPECT_EQ(progress.recipes[1].jobs, 4);
  EXPECT_EQ(progress.recipes[1].succeeded, 2);
}

TEST(RunProgressTest, ARecipeWithoutAResultIsExpectedToTakeTheRunsAverage) {
  const std::vector<JobFacts> jobs = {Succeeded(0, absl::Seconds(10)),
                                      Succeeded(0, absl::Seconds(30)), Leased(1, kStart)};
  EXPECT_EQ(Summarize(jobs, 2, kStart).remaining, absl::Seconds(20));
}

TEST(RunProgressTest, TheTimeLeftIsUnknownWithoutAResultOrARunningJob) {
  EXPECT_FALSE(Summarize({Leased(0, kStart), Queued(0)}, 1, kStart).remaining.has_value());
  EXPECT_FALSE(
      Summarize({Succeeded(0, absl::Seconds(1)), Queued(0)}, 1, kStart).remaining.has_value());
  EXPECT_FALSE(Summarize({}, 0, kStart).remaining.has_value());
}

TEST(RunProgressTest, ScoresAreMeansOverProbesThenOverTargets) {
  JobScores a;
  a.forget["Ann"] = {.sum = 3, .count = 4};
  JobScores b;
  b.forget["Bob"] = {.sum = 1, .count = 4};
  b.neighbor["Bob"] = {.sum = 1, .count = 1};
  JobScores again;  // another seed of the same target
  again.forget["Bob"] = {.sum = 0, .count = 4};
  const RunProgress progress = Summarize({Succeeded(0, {}, &a), Succeeded(0, {}, &b),
                                          Succeeded(0, {}, &again), Queued(0), Succeeded(1, {})},
                                         2, kStart);
  EXPECT_DOUBLE_EQ(progress.recipes[0].forget.value(), (0.75 + 0.125) / 2);
  EXPECT_DOUBLE_EQ(progress.recipes[0].neighbor.value(), 1);
  EXPECT_FALSE(progress.recipes[1].forget.has_value());
}

}  // namespace
}  // namespace rwku::metrics
