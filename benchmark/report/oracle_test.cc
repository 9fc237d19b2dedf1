// Statistics against numpy. tests/oracle/statistics_oracle.py writes what it gives into the folder
// RWKU_ORACLE_DIR; CTest runs it before this.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"
#include "benchmark/report/bootstrap.h"
#include "benchmark/report/comparison.h"

namespace rwku::report {
namespace {

TEST(StatisticsOracleTest, IntervalsAndTestsEqualNumpy) {
  const char* const folder = std::getenv("RWKU_ORACLE_DIR");
  const std::filesystem::path path =
      std::filesystem::path(folder == nullptr ? "" : folder) / "statistics.json";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no oracle output at " << path << ": the oracle Python is not installed";
  }
  const absl::StatusOr<std::string> contents = ReadFile(path);
  ASSERT_TRUE(contents.ok()) << contents.status();
  const nlohmann::json cases = nlohmann::json::parse(*contents);
  ASSERT_GE(cases.size(), 50);
  Bootstrap bootstrap;
  for (const nlohmann::json& item : cases) {
    const auto values = item.at("values").get<std::vector<double>>();
    const auto near = [&](const std::optional<double>& ours, const char* name) {
      const auto expected = item.at(name).get<double>();
      ASSERT_TRUE(ours) << name;
      EXPECT_NEAR(*ours, expected, 1e-9 * std::max(1.0, std::abs(expected)))
          << name << " of " << values.size() << " values";
    };
    const std::optional<Interval> interval = bootstrap.MeanInterval(values);
    ASSERT_TRUE(interval);
    near(interval->low, "low");
    near(interval->high, "high");
    near(SignFlipPValue(values, ComparisonOptions().permutations, BootstrapOptions().seed), "p");
    near(MinimumDetectableEffect(values), "detectable");
  }
}

}  // namespace
}  // namespace rwku::report
