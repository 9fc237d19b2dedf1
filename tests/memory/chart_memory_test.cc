// Whether the chart gives its workers the memory that the planner says they need.
#include <cstdint>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/memory/planned_training.h"
#include "worker/engine/memory/testing_model_shapes.h"

namespace rwku {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

// Memory limits in bytes by the pool's name: of the list below the key `workers` of a values file.
std::map<std::string, int64_t> WorkerLimits(const std::string& file) {
  const auto contents = ReadFile(absl::StrCat(RWKU_CHART, "/", file));
  EXPECT_TRUE(contents.ok()) << contents.status();
  std::map<std::string, int64_t> limits;
  const std::regex name("^  - name: ([a-z0-9-]+)$");
  const std::regex limit("^      limits: \\{.*memory: ([0-9]+)Gi.*\\}$");
  bool in_workers = false;
  std::string pool;
  const std::vector<std::string> lines = absl::StrSplit(contents.value_or(std::string()), '\n');
  for (const std::string& line : lines) {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') {
      in_workers = line == "workers:";
    }
    std::smatch match;
    if (in_workers && std::regex_match(line, match, name)) {
      pool = match[1];
    } else if (in_workers && std::regex_match(line, match, limit)) {
      int64_t number = 0;
      EXPECT_TRUE(absl::SimpleAtoi(std::string(match[1]), &number));
      limits[pool] = number * kGiB;
    }
  }
  return limits;
}

TEST(ChartMemoryTest, GpuPoolsHoldEveryTrainingOf8BThatTheirCardsHold) {
  const auto limits = WorkerLimits("examples/gpu.yaml");
  ASSERT_EQ(limits.size(), 2U);
  constexpr int64_t kH100 = 81'559 * kMiB;
  constexpr int64_t kL4 = 23'034 * kMiB;
  const auto need = [](int64_t card_bytes, bool optimizer_on_host) {
    return LargestHostNeed(engine::Llama8B(), EveryTuning(), card_bytes, optimizer_on_host);
  };
  EXPECT_GT(need(kH100, true), 96 * kGiB);  // full training is among them
  EXPECT_GE(limits.at("h100"), need(kH100, true));
  EXPECT_GE(limits.at("l4"), need(kL4, true));
  // What the file says of pools that keep the optimizer's state on the card.
  EXPECT_GE(32 * kGiB, need(kH100, false));
}

// The chart's own pool runs on processors: the small real model, trained in the smallest parts and
// asked.
TEST(ChartMemoryTest, TheCpuPoolHoldsASmallModel) {
  const auto limits = WorkerLimits("values.yaml");
  ASSERT_EQ(limits.size(), 1U);
  EXPECT_GE(limits.at("cpu"), LargestHostNeed(engine::SmolLm135M(), EveryTuning(), 0, false));
}

}  // namespace
}  // namespace rwku
