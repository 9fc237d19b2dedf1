// What every Engine promises, as a parametrised suite. A room that has an engine instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, EngineContract, testing::Values(EngineUnderTest{...}));
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/cancel.h"
#include "worker/engine/engine.h"

namespace rwku::contract {

struct EngineUnderTest {
  std::string name;  // for the test's name: letters and digits
  std::function<std::unique_ptr<engine::Engine>()> make;
  // Makes (or finds) a folder with a model that `make`'s engine can load.
  std::function<std::filesystem::path()> model_folder;
};

inline void PrintTo(const EngineUnderTest& engine, std::ostream* out) { *out << engine.name; }

class EngineContract : public ::testing::TestWithParam<EngineUnderTest> {
 protected:
  void SetUp() override {
    engine_ = GetParam().make();
    const std::filesystem::path folder = GetParam().model_folder();
    if (!std::filesystem::exists(folder)) {
      GTEST_SKIP() << "no oracle models at " << folder;
    }
    const auto info = engine_->Load(folder, cancel_);
    ASSERT_TRUE(info.ok()) << info.status();
    info_ = *info;
  }

  static engine::TrainingPlan Plan() {
    engine::TrainingPlan plan;
    plan.texts = {"The first text is short.", "The second text is a little longer than that.",
                  "A third one.", "And a fourth text, to end."};
    plan.objective = engine::Objective::kGradientAscent;
    plan.learning_rate = 1e-3;
    plan.warmup_steps = 1;
    plan.batch_size = 2;
    plan.epochs = 2;
    plan.cutoff_tokens = 32;
    return plan;
  }

  static std::vector<evaluate::GenerateRequest> Requests(
      const std::vector<evaluate::ChatPrompt>& prompts, int max_new_tokens) {
    std::vector<evaluate::GenerateRequest> requests;
    requests.reserve(prompts.size());
    for (const evaluate::ChatPrompt& prompt : prompts) {
      requests.push_back({prompt, max_new_tokens});
    }
    return requests;
  }

  std::vector<std::string> Generate(const std::vector<evaluate::ChatPrompt>& prompts) {
    auto outputs = engine_->model().Generate(Requests(prompts, 8), {}, nullptr, cancel_);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs.ok() ? *outputs : std::vector<std::string>{};
  }

  static std::vector<evaluate::ChatPrompt> Prompts() {
    return {
        {.user = "Who wrote it?", .assistant_prefix = "Answer:"},
        {.user = "Please complete the blank: ___ was born in the north.", .assistant_prefix = ""},
        {.user = "Where?", .assistant_prefix = "Answer:"}};
  }

  // Every prompt twice, on streams of their own.
  static std::vector<evaluate::SampleRequest> SampleRequests() {
    std::vector<evaluate::SampleRequest> requests;
    for (const evaluate::ChatPrompt& prompt : Prompts()) {
      for (const char* stream : {"first", "second"}) {
        requests.push_back({.prompt = prompt,
                            .max_new_tokens = 8,
                            .top_p = 0.9,
                            .seed = 7,
                            .stream = stream + prompt.user});
      }
    }
    requests.back().prompt.system = "You know the north very well.";
    return requests;
  }

  std::vector<std::string> Sample(const std::vector<evaluate::SampleRequest>& requests) {
    auto outputs = engine_->model().Sample(requests, {}, nullptr, cancel_);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs.ok() ? *outputs : std::vector<std::string>{};
  }

  CancelToken cancel_;
  std::unique_ptr<engine::Engine> engine_;
  engine::ModelInfo info_;
};

TEST_P(EngineContract, LoadingTheResidentModelAgainGivesTheSameModel) {
  const auto again = engine_->Load(GetParam().model_folder(), cancel_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->weights_checksum, info_.weights_checksum);
  EXPECT_FALSE(info_.weights_checksum.empty());
}

TEST_P(EngineContract, LoadingAFolderThatDoesNotExistNamesIt) {
  const auto info = engine_->Load(GetParam().model_folder() / "no-such-folder", cancel_);
  ASSERT_FALSE(info.ok());
  EXPECT_THAT(std::string(info.status().message()), ::testing::HasSubstr("no-such-folder"));
}

TEST_P(EngineContract, RestoreRightAfterLoadGivesTheChecksumOfTheLoad) {
  EXPECT_EQ(engine_->Restore().value_or("error"), info_.weights_checksum);
}

TEST_P(EngineContract, RestoreAfterATrainingBringsChecksumAndOutputsBack) {
  const std::vector<std::string> before = Generate(Prompts());
  for (const auto trained : {engine::TrainedWeights::kFull, engine::TrainedWeights::kLora}) {
    engine::TrainingPlan plan = Plan();
    plan.trained = trained;
    ASSERT_TRUE(engine_->Train(plan, {}, cancel_).ok());
    EXPECT_EQ(engine_->Restore().value_or("error"), info_.weights_checksum);
    EXPECT_EQ(Generate(Prompts()), before);
  }
}

TEST_P(EngineContract, OutputsDoNotDependOnHowManyPromptsComeInOneCall) {
  const std::vector<std::string> together = Generate(Prompts());
  std::vector<std::string> apart;
  for (const evaluate::ChatPrompt& prompt : Prompts()) {
    for (std::string& output : Generate({prompt})) {
      apart.push_back(std::move(output));
    }
  }
  EXPECT_EQ(together, apart);
}

TEST_P(EngineContract, SamplesDoNotDependOnHowManyPromptsComeInOneCall) {
  const std::vector<evaluate::SampleRequest> requests = SampleRequests();
  const std::vector<std::string> together = Sample(requests);
  ASSERT_EQ(together.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(Sample({requests[i]}), std::vector<std::string>{together[i]});
  }
  EXPECT_EQ(Sample(requests), together);
}

TEST_P(EngineContract, SamplesDependOnSeedAndStream) {
  std::vector<evaluate::SampleRequest> requests = SampleRequests();
  const std::vector<std::string> before = Sample(requests);
  ASSERT_EQ(before.size(), requests.size());
  EXPECT_NE(before[0], before[1]);
  for (evaluate::SampleRequest& request : requests) {
    request.seed = 8;
  }
  EXPECT_NE(Sample(requests), before);
}

TEST_P(EngineContract, ACancelledTokenStopsSampling) {
  CancelToken token;
  token.Cancel(absl::AbortedError("revoked"));
  const auto outputs = engine_->model().Sample(SampleRequests(), {}, nullptr, token);
  EXPECT_EQ(outputs.status(), absl::AbortedError("revoked"));
}

TEST_P(EngineContract, SamplingReportsProgressAndUsage) {
  const evaluate::Usage before = engine_->model().usage();
  size_t last = 0;
  const auto outputs = engine_->model().Sample(
      SampleRequests(), {}, [&](size_t done, size_t total) { last = 100 * done + total; }, cancel_);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(last, 606U);
  EXPECT_GT(engine_->model().usage().generated_tokens, before.generated_tokens);
}

TEST_P(EngineContract, ScoresDoNotDependOnHowManyTextsComeInOneCall) {
  const std::vector<std::string> texts = {"One text of some words.",
                                          "Another, longer text, alone."};
  const auto together = engine_->model().ScoreTexts(texts, nullptr, cancel_);
  ASSERT_TRUE(together.ok()) << together.status();
  ASSERT_EQ(together->size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string> one = {texts[i]};
    const auto alone = engine_->model().ScoreTexts(one, nullptr, cancel_);
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ(alone->front().log_probabilities, (*together)[i].log_probabilities);
    EXPECT_EQ(alone->front().means, (*together)[i].means);
    EXPECT_EQ(alone->front().variances, (*together)[i].variances);
    EXPECT_FALSE(alone->front().log_probabilities.empty());
  }
}

TEST_P(EngineContract, ContinuationsAndCandidatesAreScoredAloneAsAmongOthers) {
  std::vector<evaluate::ContinuationRequest> continuations;
  std::vector<evaluate::NextTokenRequest> candidates;
  for (const evaluate::ChatPrompt& prompt : Prompts()) {
    continuations.push_back({prompt, {"In the north.", "Anna wrote it.", "In the north."}});
    candidates.push_back({prompt, {" A", " B", " C"}});
  }
  const auto scores = engine_->model().ScoreContinuations(continuations, {}, nullptr, cancel_);
  const auto next = engine_->model().ScoreNextTokens(candidates, {}, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_EQ(scores->size(), continuations.size());
  ASSERT_EQ(next->size(), candidates.size());
  for (size_t i = 0; i < continuations.size(); ++i) {
    const auto one = engine_->model().ScoreContinuations({continuations[i]}, {}, nullptr, cancel_);
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_EQ((*scores)[i].size(), 3U);
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ((*scores)[i][c].log_probabilities, one->front()[c].log_probabilities);
      EXPECT_EQ((*scores)[i][c].is_most_likely, one->front()[c].is_most_likely);
      EXPECT_FALSE(one->front()[c].log_probabilities.empty());
    }
    EXPECT_EQ((*scores)[i][0].log_probabilities, (*scores)[i][2].log_probabilities);
    EXPECT_NE((*scores)[i][0].log_probabilities, (*scores)[i][1].log_probabilities);
    EXPECT_EQ((*next)[i].size(), 3U);
    EXPECT_EQ(engine_->model().ScoreNextTokens({candidates[i]}, {}, nullptr, cancel_)->front(),
              (*next)[i]);
  }
}

TEST_P(EngineContract, UsageCountsWhatPromptsShareOnce) {
  evaluate::Usage before = engine_->model().usage();
  const auto spent = [&] {
    const evaluate::Usage now = engine_->model().usage();
    const evaluate::Usage spent{now.prompt_tokens - before.prompt_tokens,
                                now.computed_prompt_tokens - before.computed_prompt_tokens,
                                now.generated_tokens - before.generated_tokens};
    before = now;
    return spent;
  };
  const std::string shared = "These are many words that come before each of the questions.\n";
  Generate({{.user = shared + "Who?", .assistant_prefix = ""}});
  const evaluate::Usage one = spent();
  EXPECT_GT(one.prompt_tokens, 10);
  EXPECT_EQ(one.computed_prompt_tokens, one.prompt_tokens);
  EXPECT_GT(one.generated_tokens, 0);
  EXPECT_LE(one.generated_tokens, 8);
  Generate({{.user = shared + "Who?", .assistant_prefix = ""},
            {.user = shared + "Where?", .assistant_prefix = ""}});
  const evaluate::Usage two = spent();
  EXPECT_GT(two.prompt_tokens, 2 * one.prompt_tokens - 5);
  EXPECT_LT(two.computed_prompt_tokens, two.prompt_tokens - 10);
}

TEST_P(EngineContract, ProgressEndsAtTheNumberOfItems) {
  size_t last = 0;
  const auto prompts = Prompts();
  const auto outputs = engine_->model().Generate(
      Requests(prompts, 2), {}, [&](size_t done, size_t) { last = done; }, cancel_);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(last, prompts.size());
  const auto scores = engine_->model().ScoreContinuations(
      {{prompts[0], {"one", "two"}}, {prompts[1], {}}}, {},
      [&](size_t done, size_t total) { last = 10 * done + total; }, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(last, 22);
}

TEST_P(EngineContract, TrainingReportsEveryStepOnceInOrder) {
  std::vector<int> steps;
  const auto report = engine_->Train(
      Plan(),
      {.on_step = [&](const engine::TrainingStep& step) { steps.push_back(step.step); },
       .on_epoch = nullptr},
      cancel_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(steps, ::testing::ElementsAre(1, 2, 3, 4));
  ASSERT_EQ(report->steps.size(), 4U);
  EXPECT_EQ(report->steps.back().total_steps, 4);
  EXPECT_GT(report->tokens_per_epoch, 0);
  ASSERT_TRUE(engine_->Restore().ok());
}

TEST_P(EngineContract, TheSameTrainingTwiceGivesTheSameCurve) {
  const auto first = engine_->Train(Plan(), {}, cancel_);
  ASSERT_TRUE(engine_->Restore().ok());
  const auto second = engine_->Train(Plan(), {}, cancel_);
  ASSERT_TRUE(first.ok() && second.ok());
  for (size_t i = 0; i < first->steps.size(); ++i) {
    EXPECT_EQ(first->steps[i].loss, second->steps[i].loss);
    EXPECT_EQ(first->steps[i].gradient_norm, second->steps[i].gradient_norm);
  }
  ASSERT_TRUE(engine_->Restore().ok());
}

TEST_P(EngineContract, ACancelledTrainingReturnsTheReasonAndCanBeRestored) {
  CancelToken token;
  const auto report = engine_->Train(
      Plan(),
      {.on_step = [&](const engine::TrainingStep&) { token.Cancel(absl::AbortedError("revoked")); },
       .on_epoch = nullptr},
      token);
  EXPECT_EQ(report.status(), absl::AbortedError("revoked"));
  EXPECT_EQ(engine_->Restore().value_or("error"), info_.weights_checksum);
}

TEST_P(EngineContract, ACancelledTokenStopsGeneration) {
  CancelToken token;
  token.Cancel(absl::AbortedError("revoked"));
  const auto outputs = engine_->model().Generate(Requests(Prompts(), 2), {}, nullptr, token);
  EXPECT_EQ(outputs.status(), absl::AbortedError("revoked"));
}

TEST_P(EngineContract, AnEmptyCorpusIsAnInvalidArgument) {
  engine::TrainingPlan plan = Plan();
  plan.texts.clear();
  EXPECT_EQ(engine_->Train(plan, {}, cancel_).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace rwku::contract
