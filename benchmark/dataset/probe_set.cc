#include "benchmark/dataset/probe_set.h"

#include "absl/status/status.h"

#include "base/check.h"
#include "base/near_match.h"

namespace rwku::dataset {
namespace {

struct Names {
  ProbeSet set;
  absl::string_view name;
  absl::string_view file;
};

constexpr std::array<Names, kAllProbeSets.size()> kNames = {{
    {ProbeSet::kForgetLevel1, "forget_level1", "forget_level1.json"},
    {ProbeSet::kForgetLevel2, "forget_level2", "forget_level2.json"},
    {ProbeSet::kForgetLevel3, "forget_level3", "forget_level3.json"},
    {ProbeSet::kNeighborLevel1, "neighbor_level1", "neighbor_level1.json"},
    {ProbeSet::kNeighborLevel2, "neighbor_level2", "neighbor_level2.json"},
    {ProbeSet::kForgetMia, "forget_mia", "forget_mia.json"},
    {ProbeSet::kRetainMia, "retain_mia", "retain_mia.json"},
    {ProbeSet::kMmlu, "mmlu", "retain_mmlu.json"},
    {ProbeSet::kBbh, "bbh", "retain_bbh.json"},
    {ProbeSet::kTruthfulQa, "truthfulqa", "truthful.json"},
    {ProbeSet::kTriviaQa, "triviaqa", "triviaqa.json"},
    {ProbeSet::kFluency, "fluency", "fluency.json"},
}};

const Names& NamesOf(ProbeSet set) {
  for (const Names& names : kNames) {
    if (names.set == set) {
      return names;
    }
  }
  CheckFailed(__FILE__, __LINE__, "a value of ProbeSet");
}

}  // namespace

absl::string_view ProbeSetName(ProbeSet set) { return NamesOf(set).name; }

absl::string_view ProbeSetFile(ProbeSet set) { return NamesOf(set).file; }

absl::StatusOr<ProbeSet> ParseProbeSet(absl::string_view name) {
  std::vector<std::string> known;
  for (const Names& names : kNames) {
    if (names.name == name) {
      return names.set;
    }
    known.emplace_back(names.name);
  }
  return absl::InvalidArgumentError(UnknownNameMessage("probe set", name, known));
}

}  // namespace rwku::dataset
