#include "benchmark/evaluate/evaluate.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/status_macros.h"
#include "benchmark/dataset/probes.h"
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/rouge.h"
#include "benchmark/metrics/text.h"
#include "benchmark/protocol/prompts.h"

namespace rwku::evaluate {
namespace {

using dataset::ProbeSet;

// The predictions of one set as far as they are known before the model is asked.
struct PendingSet {
  ProbeSet set;
  std::vector<Prediction> predictions;
};

// What the model is asked, over all sets; as many entries as there are pending predictions.
struct Questions {
  std::vector<PendingSet> sets;
  std::vector<ChatPrompt> prompts;
};

struct Texts {
  std::vector<PendingSet> sets;
  std::vector<std::string> texts;
};

absl::Status CheckSets(absl::Span<const ProbeSet> sets) {
  const std::vector<ProbeSet>& supported = SupportedProbeSets();
  for (size_t i = 0; i < sets.size(); ++i) {
    const absl::string_view name = dataset::ProbeSetName(sets[i]);
    if (std::find(supported.begin(), supported.end(), sets[i]) == supported.end()) {
      return absl::UnimplementedError(
          absl::StrCat("probe set ", name, " cannot be evaluated; supported: ",
                       absl::StrJoin(supported, ", ", [](std::string* out, ProbeSet set) {
                         absl::StrAppend(out, dataset::ProbeSetName(set));
                       })));
    }
    if (std::find(sets.begin(), sets.begin() + i, sets[i]) != sets.begin() + i) {
      return absl::InvalidArgumentError(absl::StrCat("probe set ", name, " is asked for twice"));
    }
  }
  return absl::OkStatus();
}

Prediction NewPrediction(const dataset::TargetInfo& target, ProbeSet set, size_t index) {
  Prediction prediction;
  prediction.target = target.name;
  prediction.probe_set = set;
  prediction.index = static_cast<int>(index);
  return prediction;
}

absl::Status AddQuestions(const dataset::Dataset& data, const dataset::TargetInfo& target,
                          ProbeSet set, absl::string_view prefix, Questions* questions) {
  RWKU_ASSIGN_OR_RETURN(std::vector<dataset::Probe> probes, data.LoadProbes(target, set));
  PendingSet pending{set, {}};
  pending.predictions.reserve(probes.size());
  for (dataset::Probe& probe : probes) {
    ChatPrompt prompt = protocol::QuestionPrompt(set, probe);
    prompt.user.insert(0, prefix.data(), prefix.size());
    questions->prompts.push_back(std::move(prompt));
    Prediction prediction = NewPrediction(target, set, pending.predictions.size());
    prediction.type = std::move(probe.type);
    prediction.query = std::move(probe.query);
    prediction.answer = std::move(probe.answer);
    prediction.neighbor = std::move(probe.neighbor);
    pending.predictions.push_back(std::move(prediction));
  }
  questions->sets.push_back(std::move(pending));
  return absl::OkStatus();
}

absl::Status AddTexts(const dataset::Dataset& data, const dataset::TargetInfo& target, ProbeSet set,
                      absl::string_view prefix, Texts* texts) {
  RWKU_ASSIGN_OR_RETURN(std::vector<dataset::MiaText> loaded, data.LoadMiaTexts(target, set));
  PendingSet pending{set, {}};
  pending.predictions.reserve(loaded.size());
  for (dataset::MiaText& text : loaded) {
    texts->texts.push_back(absl::StrCat(prefix, text.text));
    Prediction prediction = NewPrediction(target, set, pending.predictions.size());
    prediction.query = std::move(text.text);
    pending.predictions.push_back(std::move(prediction));
  }
  texts->sets.push_back(std::move(pending));
  return absl::OkStatus();
}

absl::Status CheckCount(absl::string_view what, size_t found, size_t expected) {
  if (found != expected) {
    return absl::InternalError(
        absl::StrCat("the model gave ", found, " ", what, " for ", expected, " probes"));
  }
  return absl::OkStatus();
}

void Answer(absl::string_view generated, Prediction* prediction) {
  prediction->output = std::string(metrics::StripWhitespace(generated));
  const absl::string_view scored =
      prediction->output.empty() ? protocol::kNoAnswer : absl::string_view(prediction->output);
  prediction->scores = {{"rouge_l_recall", metrics::RougeLRecall(scored, prediction->answer)}};
}

absl::Status ScoreText(absl::string_view text, TokenScores tokens, Prediction* prediction) {
  if (tokens.means.size() != tokens.log_probabilities.size() ||
      tokens.variances.size() != tokens.log_probabilities.size()) {
    return absl::InternalError(absl::StrCat(
        "the model gave ", tokens.log_probabilities.size(), " log-probabilities, ",
        tokens.means.size(), " means and ", tokens.variances.size(), " variances for one text"));
  }
  RWKU_ASSIGN_OR_RETURN(
      std::vector<metrics::NamedValue> scores,
      metrics::MembershipScores(text, tokens.log_probabilities, tokens.means, tokens.variances));
  prediction->scores.reserve(scores.size());
  for (metrics::NamedValue& score : scores) {
    prediction->scores.push_back({std::move(score.name), score.value});
  }
  prediction->token_log_probabilities = std::move(tokens.log_probabilities);
  prediction->token_means = std::move(tokens.means);
  prediction->token_variances = std::move(tokens.variances);
  return absl::OkStatus();
}

absl::Status AskQuestions(Questions questions, const GenerateOptions& options, LanguageModel& model,
                          const PredictionSink& sink, const ProgressCallback& progress,
                          const CancelToken& cancel) {
  if (questions.prompts.empty()) {
    return absl::OkStatus();
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> outputs,
                        model.Generate(questions.prompts, options, progress, cancel));
  RWKU_RETURN_IF_ERROR(CheckCount("answers", outputs.size(), questions.prompts.size()));
  size_t next = 0;
  for (PendingSet& pending : questions.sets) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    for (Prediction& prediction : pending.predictions) {
      Answer(outputs[next++], &prediction);
    }
    RWKU_RETURN_IF_ERROR(sink(std::move(pending.predictions)));
  }
  return absl::OkStatus();
}

absl::Status AskTexts(Texts texts, LanguageModel& model, const PredictionSink& sink,
                      const ProgressCallback& progress, const CancelToken& cancel) {
  if (texts.texts.empty()) {
    return absl::OkStatus();
  }
  RWKU_ASSIGN_OR_RETURN(std::vector<TokenScores> scores,
                        model.ScoreTexts(texts.texts, progress, cancel));
  RWKU_RETURN_IF_ERROR(CheckCount("scores", scores.size(), texts.texts.size()));
  size_t next = 0;
  for (PendingSet& pending : texts.sets) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    for (Prediction& prediction : pending.predictions) {
      RWKU_RETURN_IF_ERROR(ScoreText(texts.texts[next], std::move(scores[next]), &prediction));
      ++next;
    }
    RWKU_RETURN_IF_ERROR(sink(std::move(pending.predictions)));
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<ProbeSet>& SupportedProbeSets() {
  static const auto* const supported = new std::vector<ProbeSet>{
      ProbeSet::kForgetLevel1,   ProbeSet::kForgetLevel2,   ProbeSet::kForgetLevel3,
      ProbeSet::kNeighborLevel1, ProbeSet::kNeighborLevel2, ProbeSet::kForgetMia,
      ProbeSet::kRetainMia};
  return *supported;
}

absl::Status Evaluate(const dataset::Dataset& data, const dataset::TargetInfo& target,
                      absl::Span<const ProbeSet> sets, const EvaluateOptions& options,
                      LanguageModel& model, const PredictionSink& sink,
                      const ProgressCallback& progress, const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(CheckSets(sets));
  const std::string prefix =
      options.icu_subject.empty() ? "" : protocol::IcuPrefix(options.icu_subject);
  Questions questions;
  Texts texts;
  for (const ProbeSet set : sets) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_RETURN_IF_ERROR(dataset::IsQuestionSet(set)
                             ? AddQuestions(data, target, set, prefix, &questions)
                             : AddTexts(data, target, set, prefix, &texts));
  }

  const size_t asked = questions.prompts.size();
  const size_t total = asked + texts.texts.size();
  const auto report = [&](size_t done) {
    if (progress) {
      progress(done, total);
    }
  };
  const GenerateOptions generate{protocol::kAnswerTokens, options.single_bos};
  // One call each, so that the engine sees all the work and can fill its batches.
  RWKU_RETURN_IF_ERROR(AskQuestions(
      std::move(questions), generate, model, sink,
      [&](size_t done, size_t /*of_questions*/) { report(done); }, cancel));
  return AskTexts(
      std::move(texts), model, sink,
      [&](size_t done, size_t /*of_texts*/) { report(asked + done); }, cancel);
}

}  // namespace rwku::evaluate
