#include "server/service/prediction_filter.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

#include "benchmark/dataset/probe_set.h"

namespace rwku::service {
namespace {

using dataset::ProbeSet;

bool Holds(const std::set<std::string>& set, const std::string& value) {
  return set.empty() || set.contains(value);
}

}  // namespace

absl::string_view VerdictScore(absl::string_view probe_set) {
  const absl::StatusOr<ProbeSet> set = dataset::ParseProbeSet(probe_set);
  if (!set.ok()) {
    return "";
  }
  switch (*set) {
    case ProbeSet::kMmlu:
      return "accuracy";
    case ProbeSet::kBbh:
      return "rea_em";
    case ProbeSet::kTruthfulQa:
      return "mc1";
    case ProbeSet::kTriviaQa:
      return "exact_match";
    case ProbeSet::kForgetMia:
    case ProbeSet::kRetainMia:
    case ProbeSet::kFluency:
      return "";
    default:
      return "rouge_l_recall";
  }
}

PredictionMatcher::PredictionMatcher(const v1::PredictionFilter& filter)
    : probe_sets_(filter.probe_sets().begin(), filter.probe_sets().end()),
      types_(filter.types().begin(), filter.types().end()),
      verdict_(filter.verdict()),
      text_(absl::AsciiStrToLower(filter.text())) {}

bool PredictionMatcher::Admits(const v1::Prediction& prediction) const {
  if (!Holds(probe_sets_, prediction.probe_set()) || !Holds(types_, prediction.type()) ||
      !AdmitsVerdict(prediction)) {
    return false;
  }
  if (text_.empty()) {
    return true;
  }
  for (const std::string* field :
       {&prediction.query(), &prediction.answer(), &prediction.output()}) {
    if (absl::StrContains(absl::AsciiStrToLower(*field), text_)) {
      return true;
    }
  }
  return false;
}

bool PredictionMatcher::AdmitsVerdict(const v1::Prediction& prediction) const {
  if (verdict_ == v1::VERDICT_UNSPECIFIED) {
    return true;
  }
  const absl::string_view wanted = VerdictScore(prediction.probe_set());
  for (const v1::Score& score : prediction.scores()) {
    if (!wanted.empty() && score.name() == wanted && score.has_value()) {
      return (score.value() >= 1.0) == (verdict_ == v1::VERDICT_RIGHT);
    }
  }
  return false;
}

}  // namespace rwku::service
