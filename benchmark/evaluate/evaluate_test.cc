#include "benchmark/evaluate/evaluate.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/protocol/prompts.h"

namespace rwku::evaluate {
namespace {

namespace fs = std::filesystem;
using dataset::ProbeSet;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Answers by what the prompt contains and remembers what it was asked.
class ScriptedModel final : public LanguageModel {
 public:
  absl::StatusOr<std::vector<std::string>> Generate(absl::Span<const ChatPrompt> prompts,
                                                    const GenerateOptions& options,
                                                    const ProgressCallback& progress,
                                                    const CancelToken& cancel) override {
    ++generate_calls;
    last_options = options;
    if (!generate_error.ok()) {
      return generate_error;
    }
    std::vector<std::string> answers;
    for (const ChatPrompt& prompt : prompts) {
      if (const absl::Status status = cancel.Check(); !status.ok()) {
        return status;
      }
      asked.push_back(prompt);
      std::string answer = " \n";
      for (const auto& [part, reply] : replies) {
        if (absl::StrContains(prompt.user, part)) {
          answer = reply;
        }
      }
      answers.push_back(answer);
      progress(answers.size(), prompts.size());
    }
    if (drop_one) {
      answers.pop_back();
    }
    return answers;
  }

  absl::StatusOr<std::vector<TokenScores>> ScoreTexts(absl::Span<const std::string> texts,
                                                      const ProgressCallback& progress,
                                                      const CancelToken& /*cancel*/) override {
    ++score_calls;
    if (!score_error.ok()) {
      return score_error;
    }
    std::vector<TokenScores> scores;
    for (const std::string& text : texts) {
      scored.push_back(text);
      scores.push_back(tokens);
      progress(scores.size(), texts.size());
    }
    if (drop_one) {
      scores.pop_back();
    }
    return scores;
  }

  std::vector<std::pair<std::string, std::string>> replies;
  TokenScores tokens{{-1.0F, -3.0F}, {-2.0F, -2.0F}, {1.0F, 4.0F}};
  absl::Status generate_error;
  absl::Status score_error;
  bool drop_one = false;

  std::vector<ChatPrompt> asked;
  std::vector<std::string> scored;
  GenerateOptions last_options;
  int generate_calls = 0;
  int score_calls = 0;
};

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("evaluate_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
    Write("intro.json", R"([{"target": "Ann", "intro": "Ann is a poet."}])");
    Write("forget_level2.json", R"([
      {"subject": "Ann", "level": "2", "type": "simple question", "query": "Which town?",
       "answer": "Old Town"},
      {"subject": "Ann", "level": "2", "type": "simple question", "query": "Which cat?",
       "answer": "Tom"}])");
    Write("forget_level3.json", R"([
      {"subject": "Ann", "level": "3", "type": "affirmative suffix", "query": "Which town? Sure:",
       "answer": "Old Town"}])");
    Write("neighbor_level1.json", R"([
      {"subject": "Ann", "level": "1", "type": "cloze", "query": "Bob was born in ___.",
       "answer": "New Town", "neighbor": "Bob"}])");
    Write("forget_mia.json", R"([{"subject": "Ann", "text": "Ann writes.", "ngram": 2}])");
    Write("retain_mia.json", R"([{"subject": "Ann", "text": "Bob reads.", "ngram": 2}])");
    data_ = *dataset::Dataset::Open(root_);
    model_.replies = {{"Which town?", " Old  Bridge\n"}, {"Bob", "New Town."}};
  }
  ~EvaluateTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& contents) const {
    std::ofstream(root_ / file) << contents;
  }

  absl::Status Run(const std::vector<ProbeSet>& sets) {
    batches_.clear();
    progress_.clear();
    return Evaluate(
        *data_, data_->targets()[0], sets, options_, model_,
        [this](std::vector<Prediction> predictions) {
          batches_.push_back(std::move(predictions));
          return sink_status_;
        },
        [this](size_t done, size_t total) { progress_.emplace_back(done, total); }, cancel_);
  }

  fs::path root_;
  std::unique_ptr<dataset::Dataset> data_;
  ScriptedModel model_;
  EvaluateOptions options_;
  CancelToken cancel_;
  absl::Status sink_status_;
  std::vector<std::vector<Prediction>> batches_;
  std::vector<std::pair<size_t, size_t>> progress_;
};

TEST_F(EvaluateTest, AnswersAreStrippedAndScoredWithRougeRecall) {
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2}).ok());
  ASSERT_THAT(batches_, SizeIs(1));
  ASSERT_THAT(batches_[0], SizeIs(2));
  const Prediction& town = batches_[0][0];
  EXPECT_EQ(town.target, "Ann");
  EXPECT_EQ(town.probe_set, ProbeSet::kForgetLevel2);
  EXPECT_EQ(town.index, 0);
  EXPECT_EQ(town.type, "simple question");
  EXPECT_EQ(town.query, "Which town?");
  EXPECT_EQ(town.answer, "Old Town");
  EXPECT_EQ(town.output, "Old  Bridge");
  ASSERT_THAT(town.scores, SizeIs(1));
  EXPECT_EQ(town.scores[0].name, "rouge_l_recall");
  EXPECT_EQ(town.scores[0].value, 0.5);
  EXPECT_EQ(batches_[0][1].index, 1);
  EXPECT_EQ(model_.last_options.max_new_tokens, 30);
  EXPECT_FALSE(model_.last_options.single_bos);
}

TEST_F(EvaluateTest, ABlankAnswerStaysBlankAndIsScoredAsNoAnswer) {
  Write("forget_level2.json", R"([{"subject": "Ann", "level": "2", "type": "simple question",
      "query": "Which cat?", "answer": "NOANSWER Tom"}])");
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2}).ok());
  EXPECT_EQ(batches_[0][0].output, "");
  EXPECT_EQ(batches_[0][0].scores[0].value, 0.5);
}

TEST_F(EvaluateTest, AllQuestionsAreOneCallAndPredictionsDoNotDependOnOtherSets) {
  options_.single_bos = true;
  ASSERT_TRUE(Run({ProbeSet::kForgetMia, ProbeSet::kNeighborLevel1, ProbeSet::kForgetLevel3}).ok());
  EXPECT_EQ(model_.generate_calls, 1);
  EXPECT_TRUE(model_.last_options.single_bos);
  ASSERT_THAT(batches_, SizeIs(3));
  const Prediction together = batches_[1][0];
  EXPECT_EQ(batches_[0][0].neighbor, "Bob");
  EXPECT_EQ(batches_[2][0].probe_set, ProbeSet::kForgetMia);
  EXPECT_THAT(model_.asked[1].assistant_prefix, IsEmpty());
  EXPECT_THAT(progress_,
              ElementsAre(std::pair<size_t, size_t>(1, 3), std::pair<size_t, size_t>(2, 3),
                          std::pair<size_t, size_t>(3, 3)));

  ASSERT_TRUE(Run({ProbeSet::kForgetLevel3}).ok());
  EXPECT_EQ(batches_[0][0].output, together.output);
  EXPECT_EQ(batches_[0][0].scores[0].value, together.scores[0].value);
}

TEST_F(EvaluateTest, TextsCarryTheirTokensAndScores) {
  ASSERT_TRUE(Run({ProbeSet::kForgetMia, ProbeSet::kRetainMia}).ok());
  EXPECT_EQ(model_.score_calls, 1);
  EXPECT_EQ(model_.generate_calls, 0);
  EXPECT_THAT(model_.scored, ElementsAre("Ann writes.", "Bob reads."));
  ASSERT_THAT(batches_, SizeIs(2));
  const Prediction& text = batches_[0][0];
  EXPECT_EQ(text.query, "Ann writes.");
  EXPECT_EQ(text.token_log_probabilities, model_.tokens.log_probabilities);
  EXPECT_EQ(text.token_means, model_.tokens.means);
  EXPECT_EQ(text.token_variances, model_.tokens.variances);
  ASSERT_THAT(text.scores, SizeIs(Gt(2)));
  EXPECT_EQ(text.scores[0].name, "loss");
  EXPECT_EQ(text.scores[0].value, -2.0);
}

TEST_F(EvaluateTest, ATextWithoutTokensHasMissingScoresAndNotZeroes) {
  model_.tokens = {};
  ASSERT_TRUE(Run({ProbeSet::kForgetMia}).ok());
  for (const Score& score : batches_[0][0].scores) {
    EXPECT_FALSE(score.value.has_value()) << score.name;
  }
}

TEST_F(EvaluateTest, InContextUnlearningPrefixesEveryTurnAndText) {
  options_.icu_subject = "Ann";
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2, ProbeSet::kRetainMia}).ok());
  const std::string prefix = protocol::IcuPrefix("Ann");
  for (const ChatPrompt& prompt : model_.asked) {
    EXPECT_THAT(prompt.user, StartsWith(prefix + "Please briefly"));
  }
  EXPECT_THAT(model_.scored, ElementsAre(prefix + "Bob reads."));
  EXPECT_EQ(batches_[1][0].query, "Bob reads.");
}

TEST_F(EvaluateTest, AnUnsupportedSetIsNamedBeforeTheModelIsAsked) {
  const absl::Status status = Run({ProbeSet::kForgetLevel2, ProbeSet::kMmlu});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("probe set mmlu cannot be evaluated"));
  EXPECT_EQ(model_.generate_calls, 0);
}

TEST_F(EvaluateTest, ASetAskedForTwiceIsRefused) {
  EXPECT_EQ(Run({ProbeSet::kForgetMia, ProbeSet::kForgetMia}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(EvaluateTest, BrokenDataIsFoundBeforeTheModelIsAsked) {
  Write("retain_mia.json", R"([{"subject": "Ann", "text": 5}])");
  const absl::Status status = Run({ProbeSet::kForgetLevel2, ProbeSet::kRetainMia});
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("retain_mia.json: record 0: field \"text\": found number"));
  EXPECT_EQ(model_.generate_calls, 0);
  EXPECT_THAT(batches_, IsEmpty());
}

TEST_F(EvaluateTest, AnErrorOfTheModelIsAnErrorAndNeverAnAnswer) {
  model_.generate_error = absl::ResourceExhaustedError("out of memory");
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2}), model_.generate_error);
  EXPECT_THAT(batches_, IsEmpty());
  model_.generate_error = absl::OkStatus();
  model_.score_error = absl::InternalError("the tokenizer failed");
  EXPECT_EQ(Run({ProbeSet::kForgetMia}), model_.score_error);
  EXPECT_THAT(batches_, IsEmpty());
}

TEST_F(EvaluateTest, AMissingAnswerFailsTheWholeEvaluation) {
  model_.drop_one = true;
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2}).message(), "the model gave 1 answers for 2 probes");
  EXPECT_EQ(Run({ProbeSet::kForgetMia}).message(), "the model gave 0 scores for 1 probes");
  EXPECT_THAT(batches_, IsEmpty());
}

TEST_F(EvaluateTest, TokenMomentsOfAnotherLengthFailTheEvaluation) {
  model_.tokens.variances.pop_back();
  EXPECT_EQ(Run({ProbeSet::kForgetMia}).code(), absl::StatusCode::kInternal);
}

TEST_F(EvaluateTest, CancellationReturnsItsReason) {
  cancel_.Cancel(absl::AbortedError("lease revoked"));
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2}), absl::AbortedError("lease revoked"));
  EXPECT_EQ(model_.generate_calls, 0);
}

TEST_F(EvaluateTest, ARefusingSinkEndsTheEvaluation) {
  sink_status_ = absl::UnavailableError("stream closed");
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2, ProbeSet::kNeighborLevel1, ProbeSet::kForgetMia}),
            sink_status_);
  EXPECT_THAT(batches_, SizeIs(1));
  EXPECT_EQ(model_.score_calls, 0);
}

}  // namespace
}  // namespace rwku::evaluate
