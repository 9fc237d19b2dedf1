#include "benchmark/evaluate/evaluate.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/evaluate/scripted_model_fixture.h"
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

const std::vector<ProbeSet>& AllSets() {
  static const auto* const sets =
      new std::vector<ProbeSet>(dataset::kAllProbeSets.begin(), dataset::kAllProbeSets.end());
  return *sets;
}

// A dataset of one target with one or two probes a set.
class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("evaluate_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->line())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "primers");
    Write("primers/truthfulqa.txt", "Q: Is it?\nA: It is.");
    Write("primers/triviaqa.txt", "\nQ: Who?\nA: She.\nPlease briefly answer:\n");
    Write("intro.json", R"([{"target": "Ann", "intro": "Ann is a poet."}])");
    Write("forget_level1.json", R"([
      {"subject": "Ann", "level": "1", "type": "cloze", "query": "Ann is a ___.",
       "answer": "poet"}])");
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
    Write("neighbor_level2.json", R"([
      {"subject": "Ann", "level": "2", "type": "simple question", "query": "Where was Bob born?",
       "answer": "New Town", "neighbor": "Bob"}])");
    Write("forget_mia.json", R"([{"subject": "Ann", "text": "Ann writes.", "ngram": 2}])");
    Write("retain_mia.json", R"([{"subject": "Ann", "text": "Bob reads.", "ngram": 2}])");
    Write("retain_mmlu.json", R"([
      {"subject": "Ann", "task": "world_law", "question": "What is forbidden?",
       "choices": ["salt", "tea", "rain", "wind"], "answer": 2,
       "examples": [{"question": "Allowed?", "choices": ["a", "b", "c", "d"], "answer": 1}]}])");
    Write("retain_bbh.json", R"json([
      {"subject": "Ann", "task": "two_hop", "question": "Capital?", "answer": "(B)",
       "cot": "Think.\n\nQ: x\nA: So the answer is y."
  }])json");
    Write("truthful.json", R"([
      {"subject": "Ann", "question": "Is the moon cheese?",
       "mc1_targets": {"choices": ["No.", "Yes."], "labels": [1, 0]},
       "mc2_targets": {"choices": ["No.", "Never.", "Yes."], "labels": [1, 1, 0]}}])");
    Write("triviaqa.json", R"([
      {"subject": "Ann", "question": "Which river?", "answers": ["the Rhine", "Rhein"]}])");
    Write("fluency.json", R"([{"subject": "Ann", "instruction": "Describe a day."}])");
    data_ = *dataset::Dataset::Open(root_);
    model_.replies = {{"Which town?", " Old  Bridge\n"},
                      {"Bob", "New Town."},
                      {"Capital?", " It is B. So the answer is (B)."},
                      {"Which river?", " Rhine"},
                      {"Describe", "One two three. Four five six."}};
    model_.likely = {{"No.", -1.0F}, {"Never.", -3.0F}, {"Yes.", -2.0F}};
  }
  ~EvaluateTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& contents) const {
    std::ofstream(root_ / file) << contents;
  }

  absl::Status Run(const std::vector<ProbeSet>& sets) {
    batches_.clear();
    progress_.clear();
    auto evaluation = Evaluation::Prepare(*data_, data_->targets()[0], sets, options_, cancel_);
    if (!evaluation.ok()) {
      return evaluation.status();
    }
    const auto summary =
        (*std::move(evaluation))
            .Run(
                model_,
                [this](std::vector<Prediction> predictions) {
                  batches_.push_back(std::move(predictions));
                  return sink_status_;
                },
                [this](size_t done, size_t total) { progress_.emplace_back(done, total); },
                cancel_);
    summary_ = summary.value_or(EvaluationSummary{});
    return summary.status();
  }

  std::map<std::string, std::optional<double>> Scores(size_t batch, size_t probe = 0) const {
    std::map<std::string, std::optional<double>> scores;
    for (const Score& score : batches_[batch][probe].scores) {
      scores[score.name] = score.value;
    }
    return scores;
  }

  fs::path root_;
  std::unique_ptr<dataset::Dataset> data_;
  ScriptedModel model_;
  EvaluateOptions options_;
  CancelToken cancel_;
  absl::Status sink_status_;
  EvaluationSummary summary_;
  std::vector<std::vector<Prediction>> batches_;
  std::vector<std::pair<size_t, size_t>> progress_;
};

TEST_F(EvaluateTest, AQuestionIsAnsweredAndItsReferenceAnswerIsScored) {
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
  EXPECT_THAT(town.answer_log_probabilities, ElementsAre(-1.0F, -3.0F));
  EXPECT_THAT(town.answer_is_most_likely, ElementsAre(true, false));
  EXPECT_EQ(Scores(0).at("rouge_l_recall"), 0.5);
  EXPECT_EQ(Scores(0).at("degenerate"), 0.0);
  EXPECT_NEAR(*Scores(0).at("answer_probability"), std::exp(-2.0), 1e-12);
  EXPECT_EQ(Scores(0).at("exact_memorization"), 0.5);
  EXPECT_EQ(Scores(0).at("extraction_strength"), 0.0);
  EXPECT_EQ(batches_[0][1].index, 1);
  EXPECT_EQ(model_.generated[0].max_new_tokens, 30);
  EXPECT_TRUE(model_.generated[0].stop_at_end_of_turn);
  EXPECT_THAT(model_.continued[0].continuations, ElementsAre("Old Town"));
  EXPECT_EQ(model_.continued[0].prompt, model_.generated[0].prompt);
}

TEST_F(EvaluateTest, ABlankAnswerStaysBlankIsScoredAsNoAnswerAndCountsAsDegenerate) {
  Write("forget_level2.json", R"([{"subject": "Ann", "level": "2", "type": "simple question",
      "query": "Which cat?", "answer": "NOANSWER Tom"}])");
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2}).ok());
  EXPECT_EQ(batches_[0][0].output, "");
  EXPECT_EQ(Scores(0).at("rouge_l_recall"), 0.5);
  EXPECT_EQ(Scores(0).at("degenerate"), 1.0);
}

TEST_F(EvaluateTest, AnswersEndAtTheFirstLineBreakWhereThatIsAskedFor) {
  model_.replies = {{"Which town?", " Old Town\nQuestion: and"}, {"Describe", "One.\nTwo."}};
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2, ProbeSet::kFluency}).ok());
  EXPECT_EQ(batches_[0][0].output, "Old Town\nQuestion: and");
  options_.stop_at_newline = true;
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel2, ProbeSet::kFluency}).ok());
  EXPECT_EQ(batches_[0][0].output, "Old Town");
  EXPECT_EQ(batches_[1][0].output, "One.\nTwo.");
}

TEST_F(EvaluateTest, OneCallAsksAllSetsAndSetsComeInTheOrderAskedFor) {
  options_.single_bos = true;
  ASSERT_TRUE(Run(AllSets()).ok());
  EXPECT_EQ(model_.calls, 1);
  EXPECT_TRUE(model_.last_options.single_bos);
  ASSERT_THAT(batches_, SizeIs(12));
  for (size_t i = 0; i < batches_.size(); ++i) {
    EXPECT_EQ(batches_[i][0].probe_set, AllSets()[i]);
  }
  // 6 questions + bbh, triviaqa and fluency; 6 answers + truthfulqa; mmlu; two texts.
  EXPECT_EQ(progress_.back(), (std::pair<size_t, size_t>(19, 19)));
  EXPECT_THAT(progress_, SizeIs(19));
  EXPECT_EQ(summary_.usage.prompt_tokens, 190);
  EXPECT_EQ(summary_.usage.computed_prompt_tokens, 76);
  EXPECT_EQ(summary_.word_tokenizer, "fallback");
}

TEST_F(EvaluateTest, PredictionsDoNotDependOnWhichOtherSetsAreAskedFor) {
  ASSERT_TRUE(Run(AllSets()).ok());
  const std::vector<std::vector<Prediction>> together = batches_;
  for (size_t i = 0; i < AllSets().size(); ++i) {
    ASSERT_TRUE(Run({AllSets()[i]}).ok());
    EXPECT_EQ(batches_[0][0].output, together[i][0].output);
    ASSERT_EQ(batches_[0][0].scores.size(), together[i][0].scores.size());
    for (size_t s = 0; s < batches_[0][0].scores.size(); ++s) {
      EXPECT_EQ(batches_[0][0].scores[s].value, together[i][0].scores[s].value);
    }
  }
}

TEST_F(EvaluateTest, MmluPicksTheMostLikelyLetter) {
  ASSERT_TRUE(Run({ProbeSet::kMmlu}).ok());
  const Prediction& item = batches_[0][0];
  EXPECT_EQ(item.type, "world_law");
  EXPECT_EQ(item.answer, "rain");
  ASSERT_THAT(item.choices, SizeIs(4));
  EXPECT_EQ(item.choices[2].text, "rain");
  EXPECT_TRUE(item.choices[2].is_correct);
  EXPECT_EQ(item.choices[2].log_probability, -1.0);
  EXPECT_EQ(Scores(0).at("accuracy"), 1.0);
  EXPECT_THAT(model_.next_asked[0].candidates, ElementsAre(" A", " B", " C", " D"));
  model_.next_tokens = {-1.0F, -2.0F, -1.0F, -3.0F};  // the first of equals
  ASSERT_TRUE(Run({ProbeSet::kMmlu}).ok());
  EXPECT_EQ(Scores(0).at("accuracy"), 0.0);
}

TEST_F(EvaluateTest, BbhIsScoredByCharacterAndAsAWholeAndStopsAtTheEndOfTextOnly) {
  ASSERT_TRUE(Run({ProbeSet::kBbh}).ok());
  EXPECT_EQ(batches_[0][0].type, "two_hop");
  EXPECT_EQ(batches_[0][0].answer, "(B)");
  EXPECT_THAT(batches_[0][0].accepted_answers, IsEmpty());
  EXPECT_EQ(Scores(0).at("rea_reference"), 1.0);
  EXPECT_EQ(Scores(0).at("rea_em"), 1.0);
  EXPECT_EQ(model_.generated[0].max_new_tokens, 256);
  EXPECT_FALSE(model_.generated[0].stop_at_end_of_turn);
}

TEST_F(EvaluateTest, AListOfBbhAnswersIsReadAsAnswersEvenIfItHasOne) {
  Write("retain_bbh.json", R"([{"subject": "Ann", "task": "two_hop", "question": "Capital?",
      "answer": ["(B)x"], "cot": "Think."}])");
  ASSERT_TRUE(Run({ProbeSet::kBbh}).ok());
  EXPECT_THAT(batches_[0][0].accepted_answers, ElementsAre("(B)x"));
  EXPECT_EQ(Scores(0).at("rea_reference"), 0.0);  // as characters, "B" would match
  EXPECT_EQ(Scores(0).at("rea_em"), 0.0);
}

TEST_F(EvaluateTest, TruthfulQaScoresTheChoicesOfBothLists) {
  ASSERT_TRUE(Run({ProbeSet::kTruthfulQa}).ok());
  ASSERT_THAT(batches_[0][0].choices, SizeIs(5));
  EXPECT_EQ(batches_[0][0].choices[0].list, ChoiceList::kMc1);
  EXPECT_EQ(batches_[0][0].choices[4].list, ChoiceList::kMc2);
  EXPECT_EQ(Scores(0).at("mc1"), 1.0);
  const double right = std::exp(-1.0) + std::exp(-3.0);
  EXPECT_NEAR(*Scores(0).at("mc2"), right / (right + std::exp(-2.0)), 1e-12);
  EXPECT_THAT(model_.continued[0].prompt.user, StartsWith("Q: Is it?"));
}

TEST_F(EvaluateTest, TriviaQaTakesTheBestOfItsAnswers) {
  ASSERT_TRUE(Run({ProbeSet::kTriviaQa}).ok());
  EXPECT_EQ(batches_[0][0].answer, "the Rhine");
  EXPECT_THAT(batches_[0][0].accepted_answers, ElementsAre("the Rhine", "Rhein"));
  EXPECT_EQ(Scores(0).at("exact_match"), 1.0);
  EXPECT_EQ(Scores(0).at("f1"), 1.0);
}

TEST_F(EvaluateTest, FluencyIsTheEntropyOfTheWords) {
  ASSERT_TRUE(Run({ProbeSet::kFluency}).ok());
  // Eight tokens, all pairs and triples different: log2 7 and log2 6.
  EXPECT_NEAR(*Scores(0).at("ngram_entropy"), (std::log2(7.0) * 2 / 3 + std::log2(6.0) * 4 / 3) / 2,
              1e-12);
}

TEST_F(EvaluateTest, TextsCarryTheirTokensAndScores) {
  ASSERT_TRUE(Run({ProbeSet::kForgetMia, ProbeSet::kRetainMia}).ok());
  EXPECT_THAT(model_.scored, ElementsAre("Ann writes.", "Bob reads."));
  ASSERT_THAT(batches_, SizeIs(2));
  const Prediction& text = batches_[0][0];
  EXPECT_EQ(text.query, "Ann writes.");
  EXPECT_EQ(text.token_log_probabilities, model_.tokens.log_probabilities);
  EXPECT_EQ(text.token_means, model_.tokens.means);
  EXPECT_EQ(text.token_variances, model_.tokens.variances);
  ASSERT_THAT(text.scores, SizeIs(Gt(2)));
  EXPECT_EQ(Scores(0).at("loss"), -2.0);
}

TEST_F(EvaluateTest, ATextWithoutTokensHasMissingScoresAndNotZeroes) {
  model_.tokens = {};
  ASSERT_TRUE(Run({ProbeSet::kForgetMia}).ok());
  for (const Score& score : batches_[0][0].scores) {
    EXPECT_FALSE(score.value.has_value()) << score.name;
  }
}

TEST_F(EvaluateTest, AnAnswerWithoutTokensOfItsOwnHasMissingScoresAndNotZeroes) {
  model_.continuation = {};
  ASSERT_TRUE(Run({ProbeSet::kForgetLevel1}).ok());
  for (const char* name : {"answer_probability", "exact_memorization", "extraction_strength"}) {
    EXPECT_FALSE(Scores(0).at(name).has_value()) << name;
  }
}

TEST_F(EvaluateTest, InContextUnlearningPrefixesEveryTurnAndText) {
  options_.icu_subject = "Ann";
  ASSERT_TRUE(Run(AllSets()).ok());
  const std::string prefix = protocol::IcuPrefix("Ann");
  for (const GenerateRequest& request : model_.generated) {
    EXPECT_THAT(request.prompt.user, StartsWith(prefix));
  }
  for (const ContinuationRequest& request : model_.continued) {
    EXPECT_THAT(request.prompt.user, StartsWith(prefix));
  }
  EXPECT_THAT(model_.next_asked[0].prompt.user, StartsWith(prefix));
  EXPECT_THAT(model_.scored, ElementsAre(prefix + "Ann writes.", prefix + "Bob reads."));
  EXPECT_EQ(batches_[6][0].query, "Bob reads.");
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
  EXPECT_EQ(model_.calls, 0);
  EXPECT_THAT(batches_, IsEmpty());
}

TEST_F(EvaluateTest, AMissingPrimerIsNamedBeforeTheModelIsAsked) {
  fs::remove(root_ / "primers" / "triviaqa.txt");
  EXPECT_THAT(std::string(Run({ProbeSet::kForgetLevel2, ProbeSet::kTriviaQa}).message()),
              HasSubstr("triviaqa.txt"));
  EXPECT_EQ(model_.calls, 0);
}

// A failing probe: whatever the set, the evaluation fails by the error's code, names the probe, and
// not one prediction of any set becomes a result.
class FailingProbeTest : public EvaluateTest, public testing::WithParamInterface<ProbeSet> {};

TEST_P(FailingProbeTest, FailsTheEvaluationAndNeverBecomesAnAnswer) {
  const std::string name(dataset::ProbeSetName(GetParam()));
  for (const absl::Status& error :
       {absl::InvalidArgumentError("the tokenizer cannot spell it"),
        absl::DataLossError("no finite logit"), absl::DeadlineExceededError("timed out")}) {
    model_.failing_request = {0, error};
    const absl::Status status = Run({GetParam()});
    EXPECT_EQ(status.code(), error.code());
    EXPECT_EQ(std::string(status.message()),
              absl::StrCat(name, " 0: ", std::string(error.message())));
    EXPECT_THAT(batches_, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(EverySet, FailingProbeTest, testing::ValuesIn(AllSets()),
                         [](const testing::TestParamInfo<ProbeSet>& info) {
                           return std::string(dataset::ProbeSetName(info.param));
                         });

TEST_F(EvaluateTest, AFailingProbeAmongManySetsIsNamedByItsOwn) {
  model_.failing_request = {7, absl::InternalError("broken")};  // of Generate: 6 questions, bbh
  const std::vector<ProbeSet> sets = {ProbeSet::kForgetLevel1,   ProbeSet::kForgetLevel2,
                                      ProbeSet::kForgetLevel3,   ProbeSet::kNeighborLevel1,
                                      ProbeSet::kNeighborLevel2, ProbeSet::kBbh,
                                      ProbeSet::kTriviaQa};
  EXPECT_EQ(Run(sets).message(), "triviaqa 0: broken");
}

TEST_F(EvaluateTest, AFailingProbeIsNamedWhateverIsAskedAboutIt) {
  // Of 19 requests: 9 texts to write, 7 continuations, mmlu, two texts to score.
  const std::vector<std::pair<size_t, std::string>> cases = {
      {8, "fluency 0"}, {9, "forget_level1 0"}, {11, "forget_level2 1"}, {15, "truthfulqa 0"},
      {16, "mmlu 0"},   {17, "forget_mia 0"},   {18, "retain_mia 0"}};
  for (const auto& [number, name] : cases) {
    model_.failing_request = {number, absl::InternalError("broken")};
    EXPECT_EQ(Run(AllSets()).message(), absl::StrCat(name, ": broken"));
  }
}

TEST(QuestionsTest, NumbersCountThroughTheKinds) {
  const std::vector<GenerateRequest> generate(2);
  const std::vector<ContinuationRequest> continuations(1);
  const std::vector<std::string> texts(3);
  const Questions questions{.generate = generate, .continuations = continuations, .texts = texts};
  ASSERT_EQ(questions.size(), 6U);
  using Kind = Questions::Kind;
  const std::vector<std::pair<Kind, size_t>> places = {
      {Kind::kGenerate, 0}, {Kind::kGenerate, 1}, {Kind::kContinuations, 0},
      {Kind::kTexts, 0},    {Kind::kTexts, 1},    {Kind::kTexts, 2}};
  for (size_t number = 0; number < places.size(); ++number) {
    const Questions::Place place = questions.PlaceOf(number);
    EXPECT_EQ(place.kind, places[number].first) << number;
    EXPECT_EQ(place.index, places[number].second) << number;
    EXPECT_EQ(questions.NumberOf(place), number);
  }
}

TEST_F(EvaluateTest, AChoiceWithoutTokensOfItsOwnFailsItsProbe) {
  model_.likely = {};
  model_.continuation = {};
  EXPECT_THAT(std::string(Run({ProbeSet::kTruthfulQa}).message()),
              HasSubstr("truthfulqa 0: choice 0 (\"No.\") has no tokens"));
}

TEST_F(EvaluateTest, AnErrorThatIsAboutNoProbeComesThroughAsItIs) {
  model_.error = absl::ResourceExhaustedError("out of memory");
  for (const ProbeSet set : AllSets()) {
    EXPECT_EQ(Run({set}), model_.error);
    EXPECT_THAT(batches_, IsEmpty());
  }
}

TEST_F(EvaluateTest, AMissingAnswerFailsTheWholeEvaluation) {
  model_.drop_one = true;
  for (const ProbeSet set : AllSets()) {
    EXPECT_EQ(Run({set}).code(), absl::StatusCode::kInternal);
    EXPECT_THAT(batches_, IsEmpty());
  }
}

TEST_F(EvaluateTest, TokenMomentsOfAnotherLengthFailTheEvaluation) {
  model_.tokens.variances.pop_back();
  EXPECT_EQ(Run({ProbeSet::kForgetMia}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(EvaluateTest, CancellationReturnsItsReason) {
  cancel_.Cancel(absl::AbortedError("lease revoked"));
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2}), absl::AbortedError("lease revoked"));
  EXPECT_EQ(model_.calls, 0);
}

TEST_F(EvaluateTest, ARefusingSinkEndsTheEvaluation) {
  sink_status_ = absl::UnavailableError("stream closed");
  EXPECT_EQ(Run({ProbeSet::kForgetLevel2, ProbeSet::kNeighborLevel1, ProbeSet::kForgetMia}),
            sink_status_);
  EXPECT_THAT(batches_, SizeIs(1));
}

}  // namespace
}  // namespace rwku::evaluate
