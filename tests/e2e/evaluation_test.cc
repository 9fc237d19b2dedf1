// The evaluation of the benchmark's real target 1 on the real engine, beside what transformers
// makes of the same model and data (tests/oracle/evaluation_oracle.py): all of it with a small
// random model, and some probes of every set with a real one.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/evaluate.h"
#include "benchmark/evaluate/probe_plan.h"
#include "text/tokenizer.h"
#include "worker/engine/torch_engine.h"

namespace rwku {
namespace {

namespace fs = std::filesystem;
using dataset::ProbeSet;
using evaluate::Prediction;
using nlohmann::json;

const std::map<ProbeSet, std::string>& OracleNames() {
  static const auto* const names =
      new std::map<ProbeSet, std::string>{{ProbeSet::kForgetLevel1, "forget_level1"},
                                          {ProbeSet::kForgetLevel2, "forget_level2"},
                                          {ProbeSet::kForgetLevel3, "forget_level3"},
                                          {ProbeSet::kNeighborLevel1, "neighbor_level1"},
                                          {ProbeSet::kNeighborLevel2, "neighbor_level2"},
                                          {ProbeSet::kMmlu, "mmlu"},
                                          {ProbeSet::kBbh, "bbh"},
                                          {ProbeSet::kTruthfulQa, "truthful"},
                                          {ProbeSet::kTriviaQa, "triviaqa"},
                                          {ProbeSet::kFluency, "fluency"},
                                          {ProbeSet::kForgetMia, "forget_mia"},
                                          {ProbeSet::kRetainMia, "retain_mia"}};
  return *names;
}

class EvaluationTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const oracle = std::getenv("RWKU_EVALUATION_ORACLE");
    const char* const shared = std::getenv("RWKU_SHARED");
    oracle_ = oracle == nullptr ? "" : oracle;
    fs::path root = fs::path(shared == nullptr ? "" : shared) / "data" / "rwku";
    if (fs::exists(oracle_ / "dataset")) {
      root = oracle_ / "dataset";
    }
    if (!fs::exists(oracle_ / "stamp") || !fs::exists(root)) {
      GTEST_SKIP() << "no evaluation oracle at " << oracle_ << " or no reference data at " << root;
    }
    std::ifstream file(oracle_ / "expected.json");
    expected_ = json::parse(file);
    data_ = *dataset::Dataset::Open(root);
    target_ = *data_->FindTarget("1");
  }

  struct Outcome {
    std::map<ProbeSet, std::vector<Prediction>> predictions;
    evaluate::EvaluationSummary summary;
  };

  Outcome Evaluate(const std::vector<ProbeSet>& sets, bool share_prefixes) {
    const auto engine = engine::CreateTorchEngine({.share_prefixes = share_prefixes});
    const auto info = engine->Load(oracle_ / "model", cancel_);
    EXPECT_TRUE(info.ok()) << info.status();
    auto evaluation = evaluate::Evaluation::Prepare(*data_, *target_, sets, {}, cancel_);
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
    Outcome outcome;
    const auto summary = (*std::move(evaluation))
                             .Run(
                                 engine->model(),
                                 [&](std::vector<Prediction> predictions) {
                                   const ProbeSet set = predictions.front().probe_set;
                                   outcome.predictions[set] = std::move(predictions);
                                   return absl::OkStatus();
                                 },
                                 nullptr, cancel_);
    EXPECT_TRUE(summary.ok()) << summary.status();
    outcome.summary = summary.value_or(evaluate::EvaluationSummary{});
    return outcome;
  }

  const CancelToken cancel_;
  fs::path oracle_;
  json expected_;
  std::unique_ptr<dataset::Dataset> data_;
  const dataset::TargetInfo* target_ = nullptr;
};

TEST_F(EvaluationTest, EveryPromptOfTheRealTargetIsTokenIdentical) {
  const auto tokenizer = text::Tokenizer::Load(oracle_ / "model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto ids_of = [&](const evaluate::ChatPrompt& prompt) {
    std::string text = *(*tokenizer)->ApplyChatTemplate({{"user", prompt.user}}, true);
    const bool space = prompt.separate_prefix && text.back() != '\n' && text.back() != ' ';
    return *(*tokenizer)->Encode(text + (space ? " " : "") + prompt.assistant_prefix, true);
  };
  for (const auto& [set, name] : OracleNames()) {
    auto plan = evaluate::PlanProbes(*data_, *target_, {set}, "", cancel_);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const json& expected = expected_.at(name);
    ASSERT_EQ(plan->sets[0].predictions.size(), expected.size()) << name;
    const auto check = [&, &set_name = name](size_t probe, const std::vector<int32_t>& ids) {
      EXPECT_EQ(ids, expected[probe].at("ids").get<std::vector<int32_t>>())
          << set_name << " " << probe;
    };
    for (size_t i = 0; i < plan->generate.requests.size(); ++i) {
      check(plan->generate.places[i].probe, ids_of(plan->generate.requests[i].prompt));
    }
    for (size_t i = 0; i < plan->continuations.requests.size(); ++i) {
      check(plan->continuations.places[i].probe, ids_of(plan->continuations.requests[i].prompt));
    }
    for (size_t i = 0; i < plan->next_tokens.requests.size(); ++i) {
      check(plan->next_tokens.places[i].probe, ids_of(plan->next_tokens.requests[i].prompt));
    }
    for (size_t i = 0; i < plan->texts.requests.size(); ++i) {
      check(plan->texts.places[i].probe, *(*tokenizer)->Encode(plan->texts.requests[i], true));
    }
  }
}

TEST_F(EvaluationTest, TextsAndScoresOfTheRealTargetAreThoseOfTransformers) {
  const std::vector<ProbeSet> sets(dataset::kAllProbeSets.begin(), dataset::kAllProbeSets.end());
  const Outcome outcome = Evaluate(sets, /*share_prefixes=*/true);
  for (const auto& [set, name] : OracleNames()) {
    const std::vector<Prediction>& predictions = outcome.predictions.at(set);
    const json& expected = expected_.at(name);
    ASSERT_EQ(predictions.size(), expected.size()) << name;
    for (size_t i = 0; i < predictions.size(); ++i) {
      const Prediction& prediction = predictions[i];
      const std::string where = name + " " + std::to_string(i);
      if (expected[i].contains("output")) {
        EXPECT_EQ(prediction.output, expected[i]["output"].get<std::string>()) << where;
      }
      if (expected[i].contains("choices")) {
        ASSERT_EQ(prediction.choices.size(), expected[i]["choices"].size()) << where;
        for (size_t c = 0; c < prediction.choices.size(); ++c) {
          EXPECT_NEAR(prediction.choices[c].log_probability,
                      expected[i]["choices"][c].get<double>(), 1e-4)
              << where;
        }
      }
      if (expected[i].contains("answer")) {
        EXPECT_EQ(prediction.answer_is_most_likely, expected[i]["hits"].get<std::vector<bool>>())
            << where;
        ASSERT_EQ(prediction.answer_log_probabilities.size(), expected[i]["answer"].size());
        for (size_t t = 0; t < prediction.answer_log_probabilities.size(); ++t) {
          EXPECT_NEAR(prediction.answer_log_probabilities[t],
                      expected[i]["answer"][t].get<double>(), 1e-4)
              << where;
        }
      }
      if (expected[i].contains("log_probabilities")) {
        ASSERT_EQ(prediction.token_log_probabilities.size(),
                  expected[i]["log_probabilities"].size());
        for (size_t t = 0; t < prediction.token_log_probabilities.size(); ++t) {
          EXPECT_NEAR(prediction.token_log_probabilities[t],
                      expected[i]["log_probabilities"][t].get<double>(), 1e-4)
              << where;
        }
      }
    }
  }
}

TEST_F(EvaluationTest, SharedPrefixesSaveMostOfTheUtilityPromptsAndChangeNoBit) {
  const std::vector<ProbeSet> utility = {ProbeSet::kMmlu, ProbeSet::kBbh, ProbeSet::kTruthfulQa,
                                         ProbeSet::kTriviaQa, ProbeSet::kFluency};
  const Outcome shared = Evaluate(utility, /*share_prefixes=*/true);
  const Outcome alone = Evaluate(utility, /*share_prefixes=*/false);
  const evaluate::Usage& usage = shared.summary.usage;
  RecordProperty("prompt_tokens", std::to_string(usage.prompt_tokens));
  RecordProperty("computed_prompt_tokens", std::to_string(usage.computed_prompt_tokens));
  std::cout << "prompt tokens " << usage.prompt_tokens << ", computed "
            << usage.computed_prompt_tokens << "\n";
  EXPECT_EQ(alone.summary.usage.prompt_tokens, usage.prompt_tokens);
  EXPECT_EQ(alone.summary.usage.computed_prompt_tokens, usage.prompt_tokens);
  EXPECT_LE(static_cast<double>(usage.computed_prompt_tokens),
            0.45 * static_cast<double>(usage.prompt_tokens));
  for (const ProbeSet set : utility) {
    const std::vector<Prediction>& a = shared.predictions.at(set);
    const std::vector<Prediction>& b = alone.predictions.at(set);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].output, b[i].output);
      for (size_t c = 0; c < a[i].choices.size(); ++c) {
        EXPECT_EQ(a[i].choices[c].log_probability, b[i].choices[c].log_probability);
      }
      for (size_t s = 0; s < a[i].scores.size(); ++s) {
        EXPECT_EQ(a[i].scores[s].value, b[i].scores[s].value);
      }
    }
  }
}

}  // namespace
}  // namespace rwku
