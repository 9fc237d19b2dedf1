// What a model is asked about the probes of a target, by the kinds of a LanguageModel's questions,
// and where each answer belongs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/prediction.h"

namespace rwku::evaluate {

// The predictions of one set as far as they are known before the model is asked.
struct PlannedSet {
  dataset::ProbeSet set = dataset::ProbeSet::kForgetLevel1;
  std::vector<Prediction> predictions;  // in the order of the set's file
};

// The probe that a request is about.
struct Place {
  size_t set = 0;  // in ProbePlan::sets
  size_t probe = 0;
};

// Requests of one kind and, at equal positions, their places.
template <typename Request>
struct PlannedRequests {
  std::vector<Request> requests;
  std::vector<Place> places;

  void Add(Request request, Place place) {
    requests.push_back(std::move(request));
    places.push_back(place);
  }
};

struct ProbePlan {
  std::vector<PlannedSet> sets;
  PlannedRequests<GenerateRequest> generate;
  PlannedRequests<ContinuationRequest> continuations;
  PlannedRequests<NextTokenRequest> next_tokens;
  PlannedRequests<std::string> texts;

  Prediction& At(const Place& place) { return sets[place.set].predictions[place.probe]; }
  // Over all kinds.
  size_t request_count() const {
    return generate.requests.size() + continuations.requests.size() + next_tokens.requests.size() +
           texts.requests.size();
  }
};

// Reads the records of `sets` and writes their requests; `prefix` stands before every user turn and
// every membership text. Errors of the dataset name the file and record.
absl::StatusOr<ProbePlan> PlanProbes(const dataset::Dataset& data,
                                     const dataset::TargetInfo& target,
                                     absl::Span<const dataset::ProbeSet> sets,
                                     const std::string& prefix, const CancelToken& cancel);

// "bbh 17": the set and the index of a probe, for messages.
std::string NameOf(const ProbePlan& plan, const Place& place);

}  // namespace rwku::evaluate
