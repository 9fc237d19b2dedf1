// Stored predictions of a run's finished jobs, filtered, in a stable order: by job, then by
// position.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rwku/v1/unlearning.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/store/store.h"

namespace rwku::service {

// A finished job whose predictions can be read.
struct PredictionSource {
  JobId job;
  int index = 0;
  uint64_t fencing_token = 0;
  std::string recipe;  // label
  uint64_t seed = 0;
};

// "runs/{run}" or "runs/{run}/jobs/{job}" of a request.
struct PredictionParent {
  RunId run;
  std::optional<JobId> job;
};
absl::StatusOr<PredictionParent> ParsePredictionParent(const std::string& parent);

// The sources of `parent`: its succeeded jobs whose target and recipe pass `filter`, by index.
// Attempts that still run have no results yet. NOT_FOUND for an unknown run or job.
absl::StatusOr<std::vector<PredictionSource>> FindSources(const coordinator::View& view,
                                                          const PredictionParent& parent,
                                                          const v1::PredictionFilter& filter);

// Where a walk stands: at `position` of the source with `index`, or the first one after it.
struct PredictionPosition {
  uint64_t index = 0;
  uint64_t position = 0;
};

// Walks over the predictions that pass a filter. Holds one prediction at a time. Not thread-safe.
class PredictionWalk {
 public:
  PredictionWalk(store::Store* store, std::vector<PredictionSource> sources,
                 v1::PredictionFilter filter, PredictionPosition start);

  // Calls `visit` with up to `limit` predictions more; fewer mean the end. DATA_LOSS for one that
  // cannot be read.
  absl::Status Next(size_t limit,
                    const std::function<void(const PredictionSource&, v1::Prediction)>& visit);

  // Whether nothing is left. Only then is the end known: a walk that was not asked for more than
  // there is may have it ahead.
  bool done() const { return source_ == sources_.size(); }
  // Where Next goes on.
  PredictionPosition position() const;

 private:
  bool Passes(const v1::Prediction& prediction) const;

  store::Store* const store_;
  const std::vector<PredictionSource> sources_;
  std::set<std::string> probe_sets_;
  std::set<std::string> types_;
  size_t source_ = 0;
  size_t position_ = 0;  // in the source
};

}  // namespace rwku::service
