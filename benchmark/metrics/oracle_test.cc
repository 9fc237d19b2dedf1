// Metrics against the Python packages that define them. tests/oracle/*_oracle.py
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
#include "benchmark/metrics/auc.h"
#include "benchmark/metrics/bbh.h"
#include "benchmark/metrics/entropy.h"
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/memorization.h"
#include "benchmark/metrics/multiple_choice.h"
#include "benchmark/metrics/rouge.h"
#include "benchmark/metrics/squad.h"

namespace rwku::metrics {
namespace {

using ::nlohmann::json;

std::optional<double> NumberOrMissing(const json& value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

// Missing together or equal to 1e-9.
void ExpectNear(std::optional<double> value, const json& expected, const char* name) {
  const std::optional<double> number = NumberOrMissing(expected);
  ASSERT_EQ(value.has_value(), number.has_value()) << name;
  if (value) {
    ASSERT_NEAR(*value, *number, 1e-9) << name;
  }
}

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
  ASSERT_GE(records_.size(), 10000);
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

TEST_F(OracleTest, SquadScoresEqualPythonOnTextsAndOnEveryCodePoint) {
  ASSERT_NO_FATAL_FAILURE(Load("squad_answers.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    const auto& prediction = record.at("prediction").get_ref<const std::string&>();
    const auto answers = record.at("answers").get<std::vector<std::string>>();
    ASSERT_EQ(SquadTokens(prediction), record.at("tokens").get<std::vector<std::string>>())
        << prediction;
    ASSERT_EQ(ExactMatch(prediction, answers), record.at("em").get<double>()) << record;
    ASSERT_EQ(TokenF1(prediction, answers), record.at("f1").get<double>()) << record;
  }
}

TEST_F(OracleTest, BbhAnswersAndScoresEqualPython) {
  ASSERT_NO_FATAL_FAILURE(Load("bbh_outputs.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    const std::string extracted =
        ExtractBbhAnswer(record.at("output").get_ref<const std::string&>());
    ASSERT_EQ(extracted, record.at("extracted").get<std::string>()) << record;
    const json& answer = record.at("answer");
    if (answer.is_string()) {
      const auto text = answer.get<std::string>();
      ASSERT_EQ(ReaReference(extracted, text), record.at("rea_reference").get<double>()) << record;
      ASSERT_EQ(ReaEm(extracted, {text}), record.at("rea_em").get<double>()) << record;
    } else {
      const auto answers = answer.get<std::vector<std::string>>();
      ASSERT_EQ(ReaEm(extracted, answers), record.at("rea_reference").get<double>()) << record;
      ASSERT_EQ(ReaEm(extracted, answers), record.at("rea_em").get<double>()) << record;
    }
  }
}

TEST_F(OracleTest, NgramEntropyEqualsNumpy) {
  ASSERT_NO_FATAL_FAILURE(Load("entropy_tokens.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    ASSERT_NEAR(NgramEntropy(record.at("tokens").get<std::vector<std::string>>()),
                record.at("entropy").get<double>(), 1e-12)
        << record;
  }
}

TEST_F(OracleTest, AreaUnderRocEqualsACountOfAllPairs) {
  ASSERT_NO_FATAL_FAILURE(Load("auc_samples.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    ASSERT_EQ(AreaUnderRoc(record.at("positives").get<std::vector<double>>(),
                           record.at("negatives").get<std::vector<double>>()),
              NumberOrMissing(record.at("auc")))
        << record;
  }
}

TEST_F(OracleTest, MultipleChoiceScoresEqualNumpy) {
  ASSERT_NO_FATAL_FAILURE(Load("choices.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    const auto scores = record.at("scores").get<std::vector<double>>();
    std::vector<ScoredChoice> choices;
    for (size_t i = 0; i < scores.size(); ++i) {
      choices.push_back({scores[i], record.at("labels").at(i).get<int>() == 1});
    }
    ASSERT_EQ(Mc1(choices), NumberOrMissing(record.at("mc1"))) << record;
    ASSERT_NO_FATAL_FAILURE(ExpectNear(Mc2(choices), record.at("mc2"), "mc2")) << record;
    ASSERT_EQ(MostLikelyChoice(scores), NumberOrMissing(record.at("argmax"))) << record;
  }
}

TEST_F(OracleTest, MemorizationScoresEqualNumpy) {
  ASSERT_NO_FATAL_FAILURE(Load("choices.json"));
  if (IsSkipped()) {
    return;
  }
  ASSERT_GE(records_.size(), 10000);
  for (const json& record : records_) {
    const auto log_probabilities = record.at("log_probabilities").get<std::vector<float>>();
    const auto is_most_likely = record.at("is_most_likely").get<std::vector<bool>>();
    ASSERT_NO_FATAL_FAILURE(
        ExpectNear(AnswerProbability(log_probabilities), record.at("probability"), "probability"))
        << record;
    ASSERT_NO_FATAL_FAILURE(ExpectNear(ExactMemorization(is_most_likely),
                                       record.at("exact_memorization"), "exact_memorization"))
        << record;
    ASSERT_NO_FATAL_FAILURE(ExpectNear(ExtractionStrength(is_most_likely),
                                       record.at("extraction_strength"), "extraction_strength"))
        << record;
  }
}

}  // namespace
}  // namespace rwku::metrics
