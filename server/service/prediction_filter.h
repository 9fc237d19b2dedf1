// Which predictions a request wants, in the names that its jobs have.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

namespace rwku::service {

// The names that a filter over some jobs may hold.
class FilterNames {
 public:
  void Add(const v1::JobSpec& job);

 private:
  friend class PredictionFilter;
  std::map<std::string, int> targets_;  // to their numbers
  std::set<std::string> probe_sets_;
  std::set<std::string> recipes_;
};

class PredictionFilter {
 public:
  // Lets everything pass.
  PredictionFilter() = default;

  // Targets are names, numbers or ranges of numbers; types any spelling that occurs in the data.
  // INVALID_ARGUMENT with one violation for each target, probe set or recipe that `names` has not,
  // with near matches. Types are open: one that no prediction has is no error.
  static absl::StatusOr<PredictionFilter> Create(const v1::PredictionFilter& wanted,
                                                 const FilterNames& names);

  // Whether predictions of the job may pass.
  bool AdmitsJob(const v1::JobSpec& job) const;
  // Whether a prediction of such a job passes.
  bool Admits(const v1::Prediction& prediction) const;

 private:
  // Empty = all.
  std::set<std::string> targets_;
  std::set<std::string> probe_sets_;
  std::set<std::string> recipes_;
  std::set<std::string> types_;
  v1::Verdict verdict_ = v1::VERDICT_UNSPECIFIED;
  std::optional<int> checkpoint_;
  std::string text_;  // ASCII letters in lower case
};

// The score that says whether a prediction of the set is right, where it is 1, or wrong; empty for
// sets whose predictions are neither.
absl::string_view VerdictScore(absl::string_view probe_set);

}  // namespace rwku::service
