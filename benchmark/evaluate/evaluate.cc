#include "benchmark/evaluate/evaluate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/probe_plan.h"
#include "benchmark/evaluate/request_error.h"
#include "benchmark/evaluate/score_prediction.h"
#include "benchmark/evaluate/words.h"
#include "benchmark/metrics/text.h"
#include "benchmark/protocol/prompts.h"

namespace rwku::evaluate {
namespace {

using dataset::ProbeSet;

absl::Status CheckSets(absl::Span<const ProbeSet> sets) {
  for (size_t i = 0; i < sets.size(); ++i) {
    if (std::find(sets.begin(), sets.begin() + i, sets[i]) != sets.begin() + i) {
      return absl::InvalidArgumentError(
          absl::StrCat("probe set ", dataset::ProbeSetName(sets[i]), " is asked for twice"));
    }
  }
  return absl::OkStatus();
}

// The log-probability of a whole continuation.
double Sum(const std::vector<float>& log_probabilities) {
  double sum = 0;
  for (const float value : log_probabilities) {
    sum += value;
  }
  return sum;
}

absl::Status TakeContinuations(std::vector<ContinuationScores> scores, Prediction* prediction) {
  if (dataset::IsQuestionSet(prediction->probe_set)) {
    prediction->answer_log_probabilities = std::move(scores.front().log_probabilities);
    prediction->answer_is_most_likely = std::move(scores.front().is_most_likely);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].log_probabilities.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("choice ", i, " (\"", prediction->choices[i].text,
                       "\") has no tokens of its own after the prompt"));
    }
    prediction->choices[i].log_probability = Sum(scores[i].log_probabilities);
  }
  return absl::OkStatus();
}

absl::Status Named(const ProbePlan& plan, const Place& place, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(NameOf(plan, place), ": ", status.message()));
}

absl::Status CheckCount(absl::string_view what, size_t found, size_t expected) {
  if (found != expected) {
    return absl::InternalError(
        absl::StrCat("the model gave ", found, " answers for ", expected, " ", what));
  }
  return absl::OkStatus();
}

// `take` puts one answer into its prediction.
template <typename Request, typename Reply, typename Take>
absl::Status TakeAll(absl::string_view what, const PlannedRequests<Request>& planned,
                     std::vector<Reply>& answers, ProbePlan& plan, const Take& take) {
  RWKU_RETURN_IF_ERROR(CheckCount(what, answers.size(), planned.requests.size()));
  for (size_t i = 0; i < answers.size(); ++i) {
    const Place& place = planned.places[i];
    if (absl::Status status = take(planned.requests[i], std::move(answers[i]), &plan.At(place));
        !status.ok()) {
      return Named(plan, place, status);
    }
  }
  return absl::OkStatus();
}

// Puts the answers in their places.
absl::Status TakeAnswers(Answers answers, bool stop_at_newline, ProbePlan& plan) {
  RWKU_RETURN_IF_ERROR(
      TakeAll("prompts", plan.generate, answers.generate, plan,
              [&](const GenerateRequest& /*request*/, absl::string_view text, Prediction* to) {
                if (stop_at_newline && dataset::IsQuestionSet(to->probe_set)) {
                  text = text.substr(0, text.find('\n'));
                }
                to->output = std::string(metrics::StripWhitespace(text));
                return absl::OkStatus();
              }));
  RWKU_RETURN_IF_ERROR(TakeAll("prompts with continuations", plan.continuations,
                               answers.continuations, plan,
                               [](const ContinuationRequest& request,
                                  std::vector<ContinuationScores> scores, Prediction* to) {
                                 RWKU_RETURN_IF_ERROR(CheckCount("continuations", scores.size(),
                                                                 request.continuations.size()));
                                 return TakeContinuations(std::move(scores), to);
                               }));
  RWKU_RETURN_IF_ERROR(TakeAll(
      "prompts with candidates", plan.next_tokens, answers.next_tokens, plan,
      [](const NextTokenRequest& request, const std::vector<float>& scores, Prediction* to) {
        RWKU_RETURN_IF_ERROR(CheckCount("candidates", scores.size(), request.candidates.size()));
        for (size_t i = 0; i < scores.size(); ++i) {
          to->choices[i].log_probability = scores[i];
        }
        return absl::OkStatus();
      }));
  return TakeAll("texts", plan.texts, answers.texts, plan,
                 [](const std::string& /*text*/, TokenScores scores, Prediction* to) {
                   to->token_log_probabilities = std::move(scores.log_probabilities);
                   to->token_means = std::move(scores.means);
                   to->token_variances = std::move(scores.variances);
                   return absl::OkStatus();
                 });
}

const Place& PlaceIn(const ProbePlan& plan, const Questions::Place& asked) {
  switch (asked.kind) {
    case Questions::Kind::kGenerate:
      return plan.generate.places[asked.index];
    case Questions::Kind::kContinuations:
      return plan.continuations.places[asked.index];
    case Questions::Kind::kNextTokens:
      return plan.next_tokens.places[asked.index];
    case Questions::Kind::kTexts:
      return plan.texts.places[asked.index];
    case Questions::Kind::kSample:
      break;
  }
  RWKU_CHECK(false);  // a plan samples nothing
}

// Asks the model all of a plan, and puts the answers in their places.
absl::Status AskAll(LanguageModel& model, const EvaluateOptions& options,
                    const ProgressCallback& progress, const CancelToken& cancel, ProbePlan& plan) {
  const Questions questions{.generate = plan.generate.requests,
                            .continuations = plan.continuations.requests,
                            .next_tokens = plan.next_tokens.requests,
                            .texts = plan.texts.requests};
  if (questions.size() == 0) {
    return absl::OkStatus();
  }
  absl::StatusOr<Answers> answers =
      model.Answer(questions, {.single_bos = options.single_bos}, progress, cancel);
  if (!answers.ok()) {
    const std::optional<size_t> request = RequestOf(answers.status());
    return request.has_value() && *request < questions.size()
               ? Named(plan, PlaceIn(plan, questions.PlaceOf(*request)), answers.status())
               : answers.status();
  }
  RWKU_RETURN_IF_ERROR(TakeAnswers(*std::move(answers), options.stop_at_newline, plan));
  return cancel.Check();
}

Usage Difference(const Usage& after, const Usage& before) {
  return {after.prompt_tokens - before.prompt_tokens,
          after.computed_prompt_tokens - before.computed_prompt_tokens,
          after.generated_tokens - before.generated_tokens};
}

}  // namespace

absl::StatusOr<Evaluation> Evaluation::Prepare(const dataset::Dataset& data,
                                               const dataset::TargetInfo& target,
                                               absl::Span<const ProbeSet> sets,
                                               const EvaluateOptions& options,
                                               const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(CheckSets(sets));
  const std::string prefix =
      options.icu_subject.empty() ? "" : protocol::IcuPrefix(options.icu_subject);
  RWKU_ASSIGN_OR_RETURN(metrics::WordTokenizer words, LoadWordTokenizer(data.root()));
  RWKU_ASSIGN_OR_RETURN(ProbePlan plan, PlanProbes(data, target, sets, prefix, cancel));
  return Evaluation(std::move(plan), std::move(words), prefix, options);
}

absl::StatusOr<EvaluationSummary> Evaluation::Run(LanguageModel& model, const PredictionSink& sink,
                                                  const ProgressCallback& progress,
                                                  const CancelToken& cancel) && {
  const Usage before = model.usage();
  RWKU_RETURN_IF_ERROR(AskAll(model, options_, progress, cancel, plan_));

  const ScoringContext scoring{&words_, text_prefix_};
  for (size_t set = 0; set < plan_.sets.size(); ++set) {
    for (size_t probe = 0; probe < plan_.sets[set].predictions.size(); ++probe) {
      const Place place{set, probe};
      if (absl::Status status = ScorePrediction(scoring, &plan_.At(place)); !status.ok()) {
        return Named(plan_, place, status);
      }
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_RETURN_IF_ERROR(sink(std::move(plan_.sets[set].predictions)));
  }
  return EvaluationSummary{Difference(model.usage(), before), std::string(words_.name())};
}

}  // namespace rwku::evaluate
