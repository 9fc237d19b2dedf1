// The reference's own results for one target, recomputed from its predictions, losses and texts.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"
#include "benchmark/metrics/bbh.h"
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/rouge.h"
#include "benchmark/metrics/squad.h"
#include "benchmark/metrics/text.h"

namespace rwku::metrics {
namespace {

using ::nlohmann::json;

std::filesystem::path DataRoot() {
  const char* const shared = std::getenv("RWKU_SHARED");
  return std::filesystem::path(shared == nullptr ? "" : shared) / "data" / "rwku";
}

json ReadJson(const std::filesystem::path& path) {
  const absl::StatusOr<std::string> contents = ReadFile(path);
  EXPECT_TRUE(contents.ok()) << contents.status();
  return contents.ok() ? json::parse(*contents) : json();
}

json Golden(const std::string& file) {
  return ReadJson(DataRoot() / "golden" / "1_Stephen_King" / file);
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

class GoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(DataRoot() / "golden")) {
      GTEST_SKIP() << "no reference results at " << DataRoot() / "golden"
                   << " (RWKU_SHARED)";
    }
  }
};

class GoldenRougeTest : public GoldenTest, public testing::WithParamInterface<std::string> {};

TEST_P(GoldenRougeTest, LevelAveragesAreReproduced) {
  const json golden = Golden(GetParam());
  std::map<std::string, std::vector<double>> recalls;
  std::map<std::string, std::vector<double>> precisions;
  std::map<std::string, std::vector<double>> f1s;
  for (const json& record : golden.at("results")) {
    const std::string prediction = record.at("prediction").get<std::string>();
    const Rouge rouge = RougeL(IsBlank(prediction) ? "NOANSWER" : prediction,
                               record.at("answer").get<std::string>());
    const std::string level = record.at("level").get<std::string>();
    recalls[level].push_back(rouge.recall);
    precisions[level].push_back(rouge.precision);
    f1s[level].push_back(rouge.f1);
  }
  ASSERT_GE(recalls.size(), 2);
  for (const auto& [level, values] : recalls) {
    const std::string key = "level_" + level + "_rouge";
    EXPECT_NEAR(Mean(values), golden.at(key + "_l_r").get<double>(), 1e-12) << key;
    const json& all = golden.at(key).at("rouge-l");
    EXPECT_NEAR(Mean(values), all.at("r").get<double>(), 1e-12) << key;
    EXPECT_NEAR(Mean(precisions[level]), all.at("p").get<double>(), 1e-12) << key;
    EXPECT_NEAR(Mean(f1s[level]), all.at("f").get<double>(), 1e-12) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenRougeTest, testing::Values("forget.json", "neighbor.json"),
                         [](const testing::TestParamInfo<std::string>& info) {
                           return info.param.substr(0, info.param.find('.'));
                         });

class GoldenMembershipTest : public GoldenTest, public testing::WithParamInterface<std::string> {};

TEST_P(GoldenMembershipTest, FiguresAreReproducedFromPerTextLossesAndTexts) {
  const json golden = Golden(GetParam());
  const json texts = ReadJson(DataRoot() / "Target" / "1_Stephen_King" / GetParam());
  const auto losses = golden.at("results").at("loss").get<std::vector<double>>();
  const auto zlibs = golden.at("results").at("zlib").get<std::vector<double>>();
  ASSERT_EQ(losses.size(), texts.size());
  ASSERT_EQ(zlibs.size(), texts.size());
  std::vector<double> recomputed;
  for (size_t i = 0; i < losses.size(); ++i) {
    const std::string text = texts[i].at("text").get<std::string>();
    recomputed.push_back(losses[i] / static_cast<double>(CompressedLength(text)));
    EXPECT_EQ(recomputed.back(), zlibs[i]) << "text " << i;
  }
  EXPECT_NEAR(Mean(losses), golden.at("loss").get<double>(), 1e-12);
  EXPECT_NEAR(Mean(recomputed), golden.at("zlib").get<double>(), 1e-12);
  // Under the key mink20 is Min-K%++.
  EXPECT_NEAR(Mean(golden.at("results").at("mink++_0.2").get<std::vector<double>>()),
              golden.at("mink20").get<double>(), 1e-12);
}

TEST_P(GoldenMembershipTest, LossAndMinKOfAllTokensAreOneFigure) {
  const json results = Golden(GetParam()).at("results");
  const auto losses = results.at("loss").get<std::vector<double>>();
  const auto all_tokens = results.at("mink_1.0").get<std::vector<double>>();
  ASSERT_EQ(losses.size(), all_tokens.size());
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], all_tokens[i], 1e-5) << "text " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenMembershipTest,
                         testing::Values("forget_mia.json", "retain_mia.json"),
                         [](const testing::TestParamInfo<std::string>& info) {
                           return info.param.substr(0, info.param.find('.'));
                         });

class GoldenAnswerTest : public GoldenTest {};

TEST_F(GoldenAnswerTest, TriviaQaExactMatchAndF1AreReproduced) {
  const json golden = Golden("triviaqa.json");
  std::vector<double> exact_matches;
  std::vector<double> f1s;
  for (const json& record : golden.at("results")) {
    const auto prediction = record.at("prediction").get<std::string>();
    const auto answers = record.at("answers").get<std::vector<std::string>>();
    exact_matches.push_back(ExactMatch(prediction, answers).value());
    f1s.push_back(TokenF1(prediction, answers).value());
  }
  EXPECT_EQ(exact_matches.size(), 100);
  EXPECT_NEAR(Mean(exact_matches), golden.at("EM").get<double>(), 1e-12);
  EXPECT_NEAR(Mean(f1s), golden.at("F1").get<double>(), 1e-12);
}

TEST_F(GoldenAnswerTest, BbhIsReproducedFromTheRawOutputs) {
  const json golden = Golden("bbh.json");
  std::vector<double> scores;
  for (const json& record : golden.at("results")) {
    const std::string prediction = ExtractBbhAnswer(record.at("raw_output").get<std::string>());
    EXPECT_EQ(prediction, record.at("prediction").get<std::string>());
    scores.push_back(ReaReference(prediction, record.at("answer").get<std::string>()).value());
  }
  EXPECT_EQ(scores.size(), 81);
  EXPECT_NEAR(Mean(scores), golden.at("EM").get<double>(), 1e-12);
}

}  // namespace
}  // namespace rwku::metrics
