#include "server/service/prediction_convert.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/dataset/probe_set.h"

namespace rwku::service {
namespace {

absl::StatusOr<evaluate::ChoiceList> FromProto(v1::ChoiceList list) {
  switch (list) {
    case v1::CHOICE_LIST_UNSPECIFIED:
      return evaluate::ChoiceList::kOnly;
    case v1::CHOICE_LIST_MC1:
      return evaluate::ChoiceList::kMc1;
    case v1::CHOICE_LIST_MC2:
      return evaluate::ChoiceList::kMc2;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("choice list ", static_cast<int>(list), " is of a newer version"));
  }
}

}  // namespace

absl::StatusOr<evaluate::Prediction> FromProto(const v1::Prediction& proto) {
  evaluate::Prediction prediction;
  prediction.target = proto.target();
  RWKU_ASSIGN_OR_RETURN(prediction.probe_set, dataset::ParseProbeSet(proto.probe_set()));
  prediction.index = proto.index();
  prediction.type = proto.type();
  prediction.query = proto.query();
  prediction.answer = proto.answer();
  prediction.neighbor = proto.neighbor();
  prediction.output = proto.output();
  for (const v1::Score& score : proto.scores()) {
    prediction.scores.push_back(
        {score.name(), score.has_value() ? std::optional<double>(score.value()) : std::nullopt});
  }
  prediction.accepted_answers.assign(proto.accepted_answers().begin(),
                                     proto.accepted_answers().end());
  for (const v1::Choice& choice : proto.choices()) {
    RWKU_ASSIGN_OR_RETURN(const evaluate::ChoiceList list, FromProto(choice.list()));
    prediction.choices.push_back({.text = choice.text(),
                                  .is_correct = choice.is_correct(),
                                  .list = list,
                                  .log_probability = choice.log_probability()});
  }
  prediction.answer_log_probabilities.assign(proto.answer_log_probabilities().begin(),
                                             proto.answer_log_probabilities().end());
  prediction.answer_is_most_likely.assign(proto.answer_is_most_likely().begin(),
                                          proto.answer_is_most_likely().end());
  prediction.token_log_probabilities.assign(proto.token_log_probabilities().begin(),
                                            proto.token_log_probabilities().end());
  prediction.token_means.assign(proto.token_means().begin(), proto.token_means().end());
  prediction.token_variances.assign(proto.token_variances().begin(), proto.token_variances().end());
  prediction.checkpoint = proto.checkpoint();
  return prediction;
}

void SetScores(const evaluate::Prediction& prediction, v1::Prediction* proto) {
  proto->clear_scores();
  for (const evaluate::Score& score : prediction.scores) {
    v1::Score* added = proto->add_scores();
    added->set_name(score.name);
    if (score.value.has_value()) {
      added->set_value(*score.value);
    }
  }
}

}  // namespace rwku::service
