#include "benchmark/corpus/write_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/corpus/prompts.h"
#include "benchmark/evaluate/scripted_model_fixture.h"

namespace rwku::corpus {
namespace {

using ::testing::HasSubstr;

class WriteTextsTest : public testing::Test {
 protected:
  WriteTextsTest() {
    plan_.subject = {"Ann Example", "Ann Example is a painter."};
    plan_.sets = {TextSet::kPositive, TextSet::kNegative, TextSet::kQuestion};
    plan_.openers = {"", "I can see", "Hmm,"};
    plan_.refusals = {"No idea.", "I don't know."};
    plan_.questions = 5;
    model_.replies = {{"Please write", " she paints.\n"},
                      {"Please make up", " a totally fabricated life"},
                      {"generate a question", " What does she do? \nAnswer: paint"}};
  }

  absl::StatusOr<evaluate::Usage> Write() {
    texts_.clear();
    return WriteTexts(
        model_, plan_,
        [this](std::vector<Text> texts) {
          batches_.push_back(texts.size());
          texts_.insert(texts_.end(), texts.begin(), texts.end());
          return sink_status_;
        },
        [this](size_t done, size_t total) {
          progress_ = {done, total};
        },
        cancel_);
  }

  WritingPlan plan_;
  evaluate::ScriptedModel model_;
  CancelToken cancel_;
  std::vector<Text> texts_;
  std::vector<size_t> batches_;
  absl::Status sink_status_;
  std::pair<size_t, size_t> progress_;
};

TEST_F(WriteTextsTest, TextsAreOpenerAndContinuationCleanedButNotStripped) {
  const auto usage = Write();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(batches_, (std::vector<size_t>{3, 3, 5}));
  ASSERT_EQ(texts_.size(), TextCount(plan_));
  EXPECT_EQ(texts_[0].output, " she paints.\n");
  EXPECT_EQ(texts_[1].output, "I can see she paints.\n");
  EXPECT_EQ(texts_[1].opener, "I can see");
  EXPECT_EQ(texts_[4].output, "I can see a life");
  EXPECT_EQ(texts_[4].index, 1);
  EXPECT_EQ(texts_[4].subject, "Ann Example");
  EXPECT_EQ(texts_[6].output, "What does she do?");
  EXPECT_EQ(texts_[6].refusal, "No idea.");
  EXPECT_EQ(texts_[9].refusal, "I don't know.");
  EXPECT_EQ(texts_[10].refusal, "No idea.");
  EXPECT_EQ(usage->prompt_tokens, 110);
  EXPECT_EQ(progress_, (std::pair<size_t, size_t>{11, 11}));
}

TEST_F(WriteTextsTest, EveryTextHasItsPromptSettingsAndStream) {
  plan_.single_bos = true;
  plan_.seed = 7;
  ASSERT_TRUE(Write().ok());
  EXPECT_TRUE(model_.last_options.single_bos);
  ASSERT_EQ(model_.sampled.size(), 11U);
  EXPECT_EQ(model_.sampled[1].prompt, PositivePrompt(plan_.subject, "I can see"));
  EXPECT_EQ(model_.sampled[4].prompt, NegativePrompt(plan_.subject, "I can see"));
  EXPECT_EQ(model_.sampled[6].prompt, QuestionPrompt(plan_.subject));
  EXPECT_EQ(model_.sampled[1].max_new_tokens, 512);
  EXPECT_EQ(model_.sampled[1].temperature, 1.0);
  EXPECT_EQ(model_.sampled[1].top_p, 0.9);
  EXPECT_EQ(model_.sampled[6].max_new_tokens, 50);
  EXPECT_EQ(model_.sampled[6].temperature, 1.0);
  EXPECT_EQ(model_.sampled[6].top_p, 1.0);
  EXPECT_EQ(model_.sampled[1].stream, "Ann Example/corpus_positive/1");
  EXPECT_EQ(model_.sampled[4].stream, "Ann Example/corpus_negative/1");
  EXPECT_EQ(model_.sampled[10].stream, "Ann Example/corpus_reject/4");
  for (const evaluate::SampleRequest& request : model_.sampled) {
    EXPECT_EQ(request.seed, 7U);
  }
}

TEST_F(WriteTextsTest, ErrorsNameTheText) {
  model_.failing_request = {2, absl::DataLossError("no finite logit")};
  const absl::Status status = Write().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("corpus_positive 2: "));
  EXPECT_TRUE(texts_.empty());
}

TEST_F(WriteTextsTest, MissingAnswersSinkErrorsAndCancellationEndIt) {
  model_.drop_one = true;
  EXPECT_EQ(Write().status().code(), absl::StatusCode::kInternal);
  model_.drop_one = false;
  sink_status_ = absl::OutOfRangeError("too long");
  EXPECT_EQ(Write().status(), sink_status_);
  sink_status_ = absl::OkStatus();
  cancel_.Cancel(absl::AbortedError("revoked"));
  EXPECT_EQ(Write().status(), absl::AbortedError("revoked"));
  plan_.refusals.clear();
  plan_.sets = {TextSet::kQuestion};
  EXPECT_EQ(Write().status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwku::corpus
