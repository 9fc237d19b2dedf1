#include "benchmark/evaluate/probe_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/protocol/prompts.h"

namespace rwku::evaluate {
namespace {

using dataset::ProbeSet;

// Adds the probes of one set after another.
class Planner {
 public:
  Planner(const dataset::Dataset& data, const dataset::TargetInfo& target,
          const std::string& prefix)
      : data_(data), target_(target), prefix_(prefix) {}

  absl::Status Add(ProbeSet set) {
    plan_.sets.push_back({set, {}});
    switch (set) {
      case ProbeSet::kForgetMia:
      case ProbeSet::kRetainMia:
        return AddTexts(set);
      case ProbeSet::kMmlu:
        return AddMmlu();
      case ProbeSet::kBbh:
        return AddBbh();
      case ProbeSet::kTruthfulQa:
        return AddTruthfulQa();
      case ProbeSet::kTriviaQa:
        return AddTriviaQa();
      case ProbeSet::kFluency:
        return AddFluency();
      default:
        return AddQuestions(set);
    }
  }

  ProbePlan Take() { return std::move(plan_); }

 private:
  // Appends a prediction to the newest set.
  Prediction& Append() {
    PlannedSet& planned = plan_.sets.back();
    Prediction& prediction = planned.predictions.emplace_back();
    prediction.target = target_.name;
    prediction.probe_set = planned.set;
    prediction.index = static_cast<int>(planned.predictions.size()) - 1;
    return prediction;
  }

  // The place of the newest prediction.
  Place Here() const { return {plan_.sets.size() - 1, plan_.sets.back().predictions.size() - 1}; }

  ChatPrompt Prefixed(ChatPrompt prompt) const {
    prompt.user.insert(0, prefix_);
    return prompt;
  }

  absl::Status AddQuestions(ProbeSet set) {
    RWKU_ASSIGN_OR_RETURN(std::vector<dataset::Probe> probes, data_.LoadProbes(target_, set));
    for (dataset::Probe& probe : probes) {
      const ChatPrompt prompt = Prefixed(protocol::QuestionPrompt(set, probe));
      Prediction& prediction = Append();
      plan_.generate.Add({prompt, protocol::kAnswerTokens, true}, Here());
      plan_.continuations.Add({prompt, {probe.answer}}, Here());
      prediction.type = std::move(probe.type);
      prediction.query = std::move(probe.query);
      prediction.answer = std::move(probe.answer);
      prediction.neighbor = std::move(probe.neighbor);
    }
    return absl::OkStatus();
  }

  absl::Status AddTexts(ProbeSet set) {
    RWKU_ASSIGN_OR_RETURN(std::vector<dataset::MiaText> texts, data_.LoadMiaTexts(target_, set));
    for (dataset::MiaText& text : texts) {
      Prediction& prediction = Append();
      plan_.texts.Add(absl::StrCat(prefix_, text.text), Here());
      prediction.query = std::move(text.text);
    }
    return absl::OkStatus();
  }

  absl::Status AddMmlu() {
    RWKU_ASSIGN_OR_RETURN(const std::vector<dataset::MmluItem> items, data_.LoadMmlu(target_));
    const std::vector<std::string> candidates(protocol::kMmluCandidates.begin(),
                                              protocol::kMmluCandidates.end());
    for (const dataset::MmluItem& item : items) {
      Prediction& prediction = Append();
      plan_.next_tokens.Add({Prefixed(protocol::MmluPrompt(item)), candidates}, Here());
      prediction.type = item.task;
      prediction.query = item.question.question;
      const auto right = static_cast<size_t>(item.question.answer);
      prediction.answer = item.question.choices[right];
      for (size_t i = 0; i < item.question.choices.size(); ++i) {
        prediction.choices.push_back({.text = item.question.choices[i], .is_correct = i == right});
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddBbh() {
    RWKU_ASSIGN_OR_RETURN(std::vector<dataset::BbhItem> items, data_.LoadBbh(target_));
    for (dataset::BbhItem& item : items) {
      Prediction& prediction = Append();
      plan_.generate.Add({Prefixed(protocol::BbhPrompt(item)), protocol::kBbhTokens, false},
                         Here());
      prediction.type = std::move(item.task);
      prediction.query = std::move(item.question);
      prediction.answer = item.answers.front();
      if (item.has_list) {
        prediction.accepted_answers = std::move(item.answers);
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddTruthfulQa() {
    RWKU_ASSIGN_OR_RETURN(const std::string primer, data_.LoadPrimer(ProbeSet::kTruthfulQa));
    RWKU_ASSIGN_OR_RETURN(std::vector<dataset::TruthfulItem> items, data_.LoadTruthful(target_));
    for (dataset::TruthfulItem& item : items) {
      Prediction& prediction = Append();
      ContinuationRequest request{Prefixed(protocol::TruthfulQaPrompt(primer, item.question)), {}};
      prediction.query = std::move(item.question);
      using Listed = std::pair<ChoiceList, const dataset::TruthfulChoices*>;
      for (const auto& [list, targets] :
           {Listed{ChoiceList::kMc1, &item.mc1}, Listed{ChoiceList::kMc2, &item.mc2}}) {
        for (size_t i = 0; i < targets->choices.size(); ++i) {
          request.continuations.push_back(targets->choices[i]);
          prediction.choices.push_back(
              {.text = targets->choices[i], .is_correct = targets->labels[i], .list = list});
          if (prediction.answer.empty() && targets->labels[i]) {
            prediction.answer = targets->choices[i];
          }
        }
      }
      plan_.continuations.Add(std::move(request), Here());
    }
    return absl::OkStatus();
  }

  absl::Status AddTriviaQa() {
    RWKU_ASSIGN_OR_RETURN(const std::string primer, data_.LoadPrimer(ProbeSet::kTriviaQa));
    RWKU_ASSIGN_OR_RETURN(std::vector<dataset::TriviaItem> items, data_.LoadTrivia(target_));
    for (dataset::TriviaItem& item : items) {
      Prediction& prediction = Append();
      plan_.generate.Add({Prefixed(protocol::TriviaQaPrompt(primer, item.question)),
                          protocol::kTriviaQaTokens, true},
                         Here());
      prediction.query = std::move(item.question);
      prediction.answer = item.answers.front();
      prediction.accepted_answers = std::move(item.answers);
    }
    return absl::OkStatus();
  }

  absl::Status AddFluency() {
    RWKU_ASSIGN_OR_RETURN(std::vector<std::string> instructions, data_.LoadFluency(target_));
    for (std::string& instruction : instructions) {
      Prediction& prediction = Append();
      plan_.generate.Add(
          {Prefixed(protocol::FluencyPrompt(instruction)), protocol::kFluencyTokens, true}, Here());
      prediction.query = std::move(instruction);
    }
    return absl::OkStatus();
  }

  const dataset::Dataset& data_;
  const dataset::TargetInfo& target_;
  const std::string& prefix_;
  ProbePlan plan_;
};

}  // namespace

absl::StatusOr<ProbePlan> PlanProbes(const dataset::Dataset& data,
                                     const dataset::TargetInfo& target,
                                     absl::Span<const ProbeSet> sets, const std::string& prefix,
                                     const CancelToken& cancel) {
  Planner planner(data, target, prefix);
  for (const ProbeSet set : sets) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_RETURN_IF_ERROR(planner.Add(set));
  }
  return planner.Take();
}

std::string NameOf(const ProbePlan& plan, const Place& place) {
  return absl::StrCat(dataset::ProbeSetName(plan.sets[place.set].set), " ", place.probe);
}

}  // namespace rwku::evaluate
