#include "benchmark/evaluate/score_prediction.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/metrics/bbh.h"
#include "benchmark/metrics/degeneracy.h"
#include "benchmark/metrics/entropy.h"
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/memorization.h"
#include "benchmark/metrics/multiple_choice.h"
#include "benchmark/metrics/rouge.h"
#include "benchmark/metrics/squad.h"
#include "benchmark/protocol/prompts.h"

namespace rwku::evaluate {
namespace {

using dataset::ProbeSet;

Score Degenerate(const Prediction& prediction) {
  const bool is_degenerate =
      metrics::FindDegeneracy(prediction.output) != metrics::Degeneracy::kNone;
  return {"degenerate", is_degenerate ? 1.0 : 0.0};
}

void ScoreQuestion(Prediction* prediction) {
  const absl::string_view scored =
      prediction->output.empty() ? protocol::kNoAnswer : absl::string_view(prediction->output);
  prediction->scores = {
      {"rouge_l_recall", metrics::RougeLRecall(scored, prediction->answer)},
      Degenerate(*prediction),
      {"answer_probability", metrics::AnswerProbability(prediction->answer_log_probabilities)},
      {"exact_memorization", metrics::ExactMemorization(prediction->answer_is_most_likely)},
      {"extraction_strength", metrics::ExtractionStrength(prediction->answer_is_most_likely)}};
}

absl::Status ScoreText(const ScoringContext& context, Prediction* prediction) {
  RWKU_ASSIGN_OR_RETURN(
      std::vector<metrics::NamedValue> scores,
      metrics::MembershipScores(absl::StrCat(context.text_prefix, prediction->query),
                                prediction->token_log_probabilities, prediction->token_means,
                                prediction->token_variances));
  prediction->scores.clear();
  prediction->scores.reserve(scores.size());
  for (metrics::NamedValue& score : scores) {
    prediction->scores.push_back({std::move(score.name), score.value});
  }
  return absl::OkStatus();
}

void ScoreMmlu(Prediction* prediction) {
  std::vector<double> log_probabilities;
  log_probabilities.reserve(prediction->choices.size());
  for (const Choice& choice : prediction->choices) {
    log_probabilities.push_back(choice.log_probability);
  }
  const std::optional<size_t> picked = metrics::MostLikelyChoice(log_probabilities);
  std::optional<double> accuracy;
  if (picked.has_value()) {
    accuracy = prediction->choices[*picked].is_correct ? 1.0 : 0.0;
  }
  prediction->scores = {{"accuracy", accuracy}};
}

void ScoreBbh(Prediction* prediction) {
  const std::string extracted = metrics::ExtractBbhAnswer(prediction->output);
  // The reference takes the maximum over the answers: over a list's entries, over a string's
  // characters.
  const bool has_list = !prediction->accepted_answers.empty();
  const std::vector<std::string> answers =
      has_list ? prediction->accepted_answers : std::vector<std::string>{prediction->answer};
  const std::optional<double> whole = metrics::ReaEm(extracted, answers);
  prediction->scores = {
      {"rea_reference", has_list ? whole : metrics::ReaReference(extracted, prediction->answer)},
      {"rea_em", whole},
      Degenerate(*prediction)};
}

void ScoreTruthfulQa(Prediction* prediction) {
  std::vector<metrics::ScoredChoice> mc1;
  std::vector<metrics::ScoredChoice> mc2;
  for (const Choice& choice : prediction->choices) {
    (choice.list == ChoiceList::kMc1 ? mc1 : mc2)
        .push_back({choice.log_probability, choice.is_correct});
  }
  prediction->scores = {{"mc1", metrics::Mc1(mc1)}, {"mc2", metrics::Mc2(mc2)}};
}

void ScoreTriviaQa(Prediction* prediction) {
  const std::vector<std::string>& answers = prediction->accepted_answers;
  prediction->scores = {{"exact_match", metrics::ExactMatch(prediction->output, answers)},
                        {"f1", metrics::TokenF1(prediction->output, answers)},
                        Degenerate(*prediction)};
}

void ScoreFluency(const ScoringContext& context, Prediction* prediction) {
  prediction->scores = {
      {"ngram_entropy", metrics::NgramEntropy(context.words->Tokenize(prediction->output))},
      Degenerate(*prediction)};
}

}  // namespace

absl::Status ScorePrediction(const ScoringContext& context, Prediction* prediction) {
  RWKU_CHECK(context.words != nullptr);
  switch (prediction->probe_set) {
    case ProbeSet::kForgetLevel1:
    case ProbeSet::kForgetLevel2:
    case ProbeSet::kForgetLevel3:
    case ProbeSet::kNeighborLevel1:
    case ProbeSet::kNeighborLevel2:
      ScoreQuestion(prediction);
      return absl::OkStatus();
    case ProbeSet::kForgetMia:
    case ProbeSet::kRetainMia:
      return ScoreText(context, prediction);
    case ProbeSet::kMmlu:
      ScoreMmlu(prediction);
      return absl::OkStatus();
    case ProbeSet::kBbh:
      ScoreBbh(prediction);
      return absl::OkStatus();
    case ProbeSet::kTruthfulQa:
      ScoreTruthfulQa(prediction);
      return absl::OkStatus();
    case ProbeSet::kTriviaQa:
      ScoreTriviaQa(prediction);
      return absl::OkStatus();
    case ProbeSet::kFluency:
      ScoreFluency(context, prediction);
      return absl::OkStatus();
  }
  return absl::InternalError("a probe set without metrics");
}

}  // namespace rwku::evaluate
