// Which predictions of a job a client wants to see.
#pragma once

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "rwku/v1/unlearning.pb.h"

namespace rwku::service {

// The fields of a PredictionFilter that a prediction alone decides: probe sets, types, verdict and
// text. Targets and recipes are those of jobs (FindSources).
class PredictionMatcher {
 public:
  explicit PredictionMatcher(const v1::PredictionFilter& filter);

  bool Admits(const v1::Prediction& prediction) const;

 private:
  bool AdmitsVerdict(const v1::Prediction& prediction) const;

  const std::set<std::string> probe_sets_;
  const std::set<std::string> types_;
  const v1::Verdict verdict_;
  const std::string text_;  // ASCII letters in lower case
};

// The score that says whether a prediction of the set is right, where it is 1, or wrong; empty for
// sets whose predictions are neither.
absl::string_view VerdictScore(absl::string_view probe_set);

}  // namespace rwku::service
