#include "server/service/prediction_filter.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/near_match.h"
#include "benchmark/corpus/kinds.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/dataset/probe_type.h"
#include "net/status.h"
#include "server/service/target_groups.h"

namespace rwku::service {
namespace {

struct NumberRange {
  int first = 0;
  int last = 0;
};

// "7" or "1-10".
std::optional<NumberRange> ParseNumbers(absl::string_view text) {
  const size_t dash = text.find('-');
  NumberRange range;
  if (!absl::SimpleAtoi(text.substr(0, dash), &range.first)) {
    return std::nullopt;
  }
  range.last = range.first;
  if (dash != absl::string_view::npos && !absl::SimpleAtoi(text.substr(dash + 1), &range.last)) {
    return std::nullopt;
  }
  return range;
}

// The targets that `selector` means; empty if there are none.
std::set<std::string> FindTargets(const std::map<std::string, int>& targets,
                                  const std::string& selector) {
  const std::string wanted(absl::StripAsciiWhitespace(selector));
  if (targets.contains(wanted)) {
    return {wanted};
  }
  std::set<std::string> found;
  if (const std::optional<NumberRange> range = ParseNumbers(wanted)) {
    for (const auto& [name, number] : targets) {
      if (range->first <= number && number <= range->last) {
        found.insert(name);
      }
    }
  }
  return found;
}

bool Passes(const std::set<std::string>& wanted, const std::string& value) {
  return wanted.empty() || wanted.contains(value);
}

bool PassesVerdict(v1::Verdict wanted, const v1::Prediction& prediction) {
  if (wanted == v1::VERDICT_UNSPECIFIED) {
    return true;
  }
  const absl::string_view name = VerdictScore(prediction.probe_set());
  for (const v1::Score& score : prediction.scores()) {
    if (!name.empty() && score.name() == name && score.has_value()) {
      return (score.value() >= 1.0) == (wanted == v1::VERDICT_RIGHT);
    }
  }
  return false;
}

// `wanted` has its ASCII letters in lower case.
bool PassesText(const std::string& wanted, const v1::Prediction& prediction) {
  if (wanted.empty()) {
    return true;
  }
  const auto holds = [&wanted](const std::string& field) {
    return absl::StrContains(absl::AsciiStrToLower(field), wanted);
  };
  return holds(prediction.query()) || holds(prediction.answer()) || holds(prediction.output());
}

}  // namespace

absl::string_view VerdictScore(absl::string_view probe_set) {
  const absl::StatusOr<dataset::ProbeSet> set = dataset::ParseProbeSet(probe_set);
  if (!set.ok()) {
    return "";
  }
  switch (*set) {
    case dataset::ProbeSet::kMmlu:
      return "accuracy";
    case dataset::ProbeSet::kBbh:
      return "rea_em";
    case dataset::ProbeSet::kTruthfulQa:
      return "mc1";
    case dataset::ProbeSet::kTriviaQa:
      return "exact_match";
    case dataset::ProbeSet::kForgetMia:
    case dataset::ProbeSet::kRetainMia:
    case dataset::ProbeSet::kFluency:
      return "";
    default:
      return "rouge_l_recall";
  }
}

void FilterNames::Add(const v1::JobSpec& job) {
  for (const v1::JobTarget& target : TargetsOf(job)) {
    targets_.emplace(target.name(), target.number());
  }
  probe_sets_.insert(job.probe_sets().begin(), job.probe_sets().end());
  recipes_.insert(job.recipe().label());
  std::vector<dataset::CorpusKind> kinds;
  for (const std::string& name : job.corpus().kinds()) {
    if (const auto kind = corpus::ParseWrittenKind(name); kind.ok()) {
      kinds.push_back(*kind);
    }
  }
  for (const corpus::TextSet set : corpus::TextSetsOf(kinds)) {
    probe_sets_.emplace(corpus::TextSetName(set));
  }
}

absl::StatusOr<PredictionFilter> PredictionFilter::Create(const v1::PredictionFilter& wanted,
                                                          const FilterNames& names) {
  PredictionFilter filter;
  std::vector<net::FieldError> errors;
  for (int i = 0; i < wanted.targets_size(); ++i) {
    const std::set<std::string> found = FindTargets(names.targets_, wanted.targets(i));
    filter.targets_.insert(found.begin(), found.end());
    if (found.empty()) {
      std::vector<std::string> known;
      for (const auto& [name, number] : names.targets_) {
        known.push_back(name);
      }
      errors.push_back({absl::StrCat("filter.targets[", i, "]"),
                        UnknownNameMessage("target", wanted.targets(i), known)});
    }
  }
  for (int i = 0; i < wanted.probe_sets_size(); ++i) {
    const std::string& name = wanted.probe_sets(i);
    filter.probe_sets_.insert(name);
    if (!names.probe_sets_.contains(name)) {
      const std::vector<std::string> known(names.probe_sets_.begin(), names.probe_sets_.end());
      errors.push_back(
          {absl::StrCat("filter.probe_sets[", i, "]"),
           dataset::ParseProbeSet(name).ok()
               ? absl::StrCat("found \"", name, "\", which was not evaluated; allowed ",
                              absl::StrJoin(known, ", "))
               : UnknownNameMessage("probe set", name, known)});
    }
  }
  for (int i = 0; i < wanted.recipes_size(); ++i) {
    const std::string& label = wanted.recipes(i);
    filter.recipes_.insert(label);
    if (!names.recipes_.contains(label)) {
      const std::vector<std::string> known(names.recipes_.begin(), names.recipes_.end());
      errors.push_back(
          {absl::StrCat("filter.recipes[", i, "]"), UnknownNameMessage("recipe", label, known)});
    }
  }
  for (const std::string& type : wanted.types()) {
    filter.types_.insert(dataset::CanonicalProbeType(type));
  }
  filter.verdict_ = wanted.verdict();
  filter.text_ = absl::AsciiStrToLower(wanted.text());
  if (wanted.has_checkpoint()) {
    filter.checkpoint_ = wanted.checkpoint();
    if (wanted.checkpoint() < 0) {
      errors.push_back({"filter.checkpoint",
                        absl::StrCat("found ", wanted.checkpoint(), ", allowed at least 0")});
    }
  }
  if (!errors.empty()) {
    return net::InvalidFields(errors);
  }
  return filter;
}

bool PredictionFilter::AdmitsJob(const v1::JobSpec& job) const {
  const std::vector<v1::JobTarget> targets = TargetsOf(job);
  return Passes(recipes_, job.recipe().label()) &&
         std::any_of(targets.begin(), targets.end(),
                     [&](const auto& target) { return Passes(targets_, target.name()); });
}

bool PredictionFilter::Admits(const v1::Prediction& prediction) const {
  return Passes(targets_, prediction.target()) &&
         (!checkpoint_.has_value() || *checkpoint_ == prediction.checkpoint()) &&
         Passes(probe_sets_, prediction.probe_set()) && Passes(types_, prediction.type()) &&
         PassesVerdict(verdict_, prediction) && PassesText(text_, prediction);
}

}  // namespace rwku::service
