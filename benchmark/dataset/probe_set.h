// The probe sets of the benchmark and their names on the wire, in files and in tables.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::dataset {

enum class ProbeSet {
  kForgetLevel1,
  kForgetLevel2,
  kForgetLevel3,
  kNeighborLevel1,
  kNeighborLevel2,
  kForgetMia,
  kRetainMia,
  kMmlu,
  kBbh,
  kTruthfulQa,
  kTriviaQa,
  kFluency,
};

inline constexpr std::array<ProbeSet, 12> kAllProbeSets = {
    ProbeSet::kForgetLevel1,   ProbeSet::kForgetLevel2,   ProbeSet::kForgetLevel3,
    ProbeSet::kNeighborLevel1, ProbeSet::kNeighborLevel2, ProbeSet::kForgetMia,
    ProbeSet::kRetainMia,      ProbeSet::kMmlu,           ProbeSet::kBbh,
    ProbeSet::kTruthfulQa,     ProbeSet::kTriviaQa,       ProbeSet::kFluency};

// "forget_level1", "neighbor_level2", "forget_mia", "retain_mia", "mmlu", "bbh", "truthfulqa",
// "triviaqa", "fluency".
absl::string_view ProbeSetName(ProbeSet set);

// INVALID_ARGUMENT with near matches for an unknown name.
absl::StatusOr<ProbeSet> ParseProbeSet(absl::string_view name);

// "forget_level1.json", "retain_mmlu.json", "truthful.json": the same in both layouts.
absl::string_view ProbeSetFile(ProbeSet set);

}  // namespace rwku::dataset
