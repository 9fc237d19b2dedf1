#include "benchmark/evaluate/evaluate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

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

// Makes the calls of a plan and puts the answers in their places.
class Questioner {
 public:
  Questioner(LanguageModel& model, const EvaluateOptions& options, const ProgressCallback& progress,
             const CancelToken& cancel, ProbePlan* plan)
      : model_(model),
        options_({.single_bos = options.single_bos}),
        stop_at_newline_(options.stop_at_newline),
        progress_(progress),
        cancel_(cancel),
        plan_(*plan),
        total_(plan->request_count()) {}

  absl::Status Generate() {
    return Ask(
        plan_.generate,
        [this](absl::Span<const GenerateRequest> requests, const ProgressCallback& progress) {
          return model_.Generate(requests, options_, progress, cancel_);
        },
        [this](const GenerateRequest& /*request*/, absl::string_view text, Prediction* prediction) {
          if (stop_at_newline_ && dataset::IsQuestionSet(prediction->probe_set)) {
            text = text.substr(0, text.find('\n'));
          }
          prediction->output = std::string(metrics::StripWhitespace(text));
          return absl::OkStatus();
        });
  }

  absl::Status ScoreContinuations() {
    return Ask(
        plan_.continuations,
        [this](absl::Span<const ContinuationRequest> requests, const ProgressCallback& progress) {
          return model_.ScoreContinuations(requests, options_, progress, cancel_);
        },
        [](const ContinuationRequest& request, std::vector<ContinuationScores> scores,
           Prediction* prediction) {
          RWKU_RETURN_IF_ERROR(
              CheckCount("continuations", scores.size(), request.continuations.size()));
          return TakeContinuations(std::move(scores), prediction);
        });
  }

  absl::Status ScoreNextTokens() {
    return Ask(
        plan_.next_tokens,
        [this](absl::Span<const NextTokenRequest> requests, const ProgressCallback& progress) {
          return model_.ScoreNextTokens(requests, options_, progress, cancel_);
        },
        [](const NextTokenRequest& request, const std::vector<float>& scores,
           Prediction* prediction) {
          RWKU_RETURN_IF_ERROR(CheckCount("candidates", scores.size(), request.candidates.size()));
          for (size_t i = 0; i < scores.size(); ++i) {
            prediction->choices[i].log_probability = scores[i];
          }
          return absl::OkStatus();
        });
  }

  absl::Status ScoreTexts() {
    return Ask(
        plan_.texts,
        [this](absl::Span<const std::string> texts, const ProgressCallback& progress) {
          return model_.ScoreTexts(texts, progress, cancel_);
        },
        [](const std::string& /*text*/, TokenScores scores, Prediction* prediction) {
          prediction->token_log_probabilities = std::move(scores.log_probabilities);
          prediction->token_means = std::move(scores.means);
          prediction->token_variances = std::move(scores.variances);
          return absl::OkStatus();
        });
  }

 private:
  static absl::Status CheckCount(absl::string_view what, size_t found, size_t expected) {
    if (found != expected) {
      return absl::InternalError(
          absl::StrCat("the model gave ", found, " answers for ", expected, " ", what));
    }
    return absl::OkStatus();
  }

  // `call` asks the model, `take` puts one answer into its prediction.
  template <typename Request, typename Call, typename Take>
  absl::Status Ask(const PlannedCall<Request>& planned, const Call& call, const Take& take) {
    if (planned.requests.empty()) {
      return absl::OkStatus();
    }
    auto answers = call(planned.requests, [this](size_t done, size_t /*of_this_call*/) {
      if (progress_) {
        progress_(done_ + done, total_);
      }
    });
    if (!answers.ok()) {
      const std::optional<size_t> request = RequestOf(answers.status());
      return request.has_value() && *request < planned.places.size()
                 ? Named(planned.places[*request], answers.status())
                 : answers.status();
    }
    RWKU_RETURN_IF_ERROR(CheckCount("requests", answers->size(), planned.requests.size()));
    for (size_t i = 0; i < planned.requests.size(); ++i) {
      const Place& place = planned.places[i];
      if (absl::Status status =
              take(planned.requests[i], std::move((*answers)[i]), &plan_.At(place));
          !status.ok()) {
        return Named(place, status);
      }
    }
    done_ += planned.requests.size();
    return cancel_.Check();
  }

  absl::Status Named(const Place& place, const absl::Status& status) const {
    return absl::Status(status.code(), absl::StrCat(NameOf(plan_, place), ": ", status.message()));
  }

  LanguageModel& model_;
  const PromptOptions options_;
  const bool stop_at_newline_;
  const ProgressCallback& progress_;
  const CancelToken& cancel_;
  ProbePlan& plan_;
  const size_t total_;
  size_t done_ = 0;
};

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
  Questioner questioner(model, options_, progress, cancel, &plan_);
  RWKU_RETURN_IF_ERROR(questioner.Generate());
  RWKU_RETURN_IF_ERROR(questioner.ScoreContinuations());
  RWKU_RETURN_IF_ERROR(questioner.ScoreNextTokens());
  RWKU_RETURN_IF_ERROR(questioner.ScoreTexts());

  const ScoringContext scoring{&words_, text_prefix_};
  for (size_t set = 0; set < plan_.sets.size(); ++set) {
    for (size_t probe = 0; probe < plan_.sets[set].predictions.size(); ++probe) {
      const Place place{set, probe};
      if (absl::Status status = ScorePrediction(scoring, &plan_.At(place)); !status.ok()) {
        return absl::Status(status.code(),
                            absl::StrCat(NameOf(plan_, place), ": ", status.message()));
      }
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_RETURN_IF_ERROR(sink(std::move(plan_.sets[set].predictions)));
  }
  return EvaluationSummary{Difference(model.usage(), before), std::string(words_.name())};
}

}  // namespace rwku::evaluate
