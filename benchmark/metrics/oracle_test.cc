// Metrics against the Python packages that define them. tests/oracle/{rouge,membership}_oracle.py
// write what they give into the folder RWKU_ORACLE_DIR; CTest runs them before this.
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
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/rouge.h"

namespace rwku::metrics {
namespace {

using ::nlohmann::json;

class OracleTest : public testing::Test {
 protected:
  // Skips the test where the oracle has not written `file`.
  void Load(const std::string& file) {
    const char* const folder = std::getenv("RWKU_ORACLE_DIR");
    const std::filesystem::path path =
        std::filesystem::path(folder == nullptr ? "" : folder) / file;
    if (!std::filesystem::exists(path)) {
      GTEST_SKIP() << "no oracle output at " << path << ": the oracle Python is not installed";
    }
    const absl::StatusOr<std::string> contents = ReadFile(path);
    ASSERT_TRUE(contents.ok()) << contents.status();
    records_ = json::parse(*contents);
  }

  json records_;
};

TEST_F(OracleTest, RougeEqualsThePackageOnRandomAndAdversarialPairs) {
  ASSERT_NO_FATAL_FAILURE(Load("rouge_pairs.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    const auto& hypothesis = record.at("hypothesis").get_ref<const std::string&>();
    const auto& reference = record.at("reference").get_ref<const std::string&>();
    const std::pair<const char*, Rouge> ours[] = {{"rouge-1", RougeN(hypothesis, reference, 1)},
                                                  {"rouge-2", RougeN(hypothesis, reference, 2)},
                                                  {"rouge-l", RougeL(hypothesis, reference)}};
    for (const auto& [name, rouge] : ours) {
      const json& expected = record.at(name);
      // Quotients of the same integers: equal to the last bit.
      ASSERT_EQ(rouge.recall, expected.at("r").get<double>()) << name << record;
      ASSERT_EQ(rouge.precision, expected.at("p").get<double>()) << name << record;
      ASSERT_EQ(rouge.f1, expected.at("f").get<double>()) << name << record;
    }
  }
}

TEST_F(OracleTest, MembershipScoresEqualNumpyAndZlib) {
  ASSERT_NO_FATAL_FAILURE(Load("membership_texts.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 500);
  for (const json& record : records_) {
    const auto& text = record.at("text").get_ref<const std::string&>();
    ASSERT_EQ(CompressedLength(text), record.at("compressed").get<size_t>()) << text;
    const absl::StatusOr<std::vector<NamedValue>> scores =
        MembershipScores(text, record.at("log_probabilities").get<std::vector<float>>(),
                         record.at("means").get<std::vector<float>>(),
                         record.at("variances").get<std::vector<float>>());
    ASSERT_TRUE(scores.ok()) << scores.status();
    ASSERT_EQ(scores->size(), record.at("scores").size());
    for (const NamedValue& score : *scores) {
      const json& expected = record.at("scores").at(score.name);
      ASSERT_EQ(score.value.has_value(), !expected.is_null())
          << score.name << " of " << record.at("log_probabilities").size() << " tokens";
      if (score.value) {
        const auto value = expected.get<double>();
        ASSERT_NEAR(*score.value, value, 1e-9 * std::max(1.0, std::abs(value))) << score.name;
      }
    }
  }
}

}  // namespace
}  // namespace rwku::metrics
