// Stored predictions of a run's finished jobs, filtered, in a stable order: by job, then by
// position.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/service/prediction_filter.h"
#include "server/store/store.h"

namespace rwku::service {

// A finished job whose predictions can be read.
struct PredictionSource {
  JobId job;
  int index = 0;
  uint64_t fencing_token = 0;
  std::string recipe;  // label
  uint64_t seed = 0;
  size_t count = 0;  // of its predictions, as the result says
};

// What is known of a job without parsing its records: they are parsed once the coordinator's mutex
// is given back.
struct JobCopy {
  JobId job;
  int index = 0;
  uint64_t fencing_token = 0;
  bool succeeded = false;
  std::string spec;  // serialized
  // Of its predictions, as the result says.
  size_t count = 0;
  int metrics_version = 0;
  std::string word_tokenizer;
  bool collapsed = false;  // whether its training stopped early
};
JobCopy CopyJob(const scheduler::JobRecord& job);
// `spec` is the job's own.
PredictionSource SourceOf(const JobCopy& job, const v1::JobSpec& spec);

// "runs/{run}" or "runs/{run}/jobs/{job}" of a request.
struct PredictionParent {
  RunId run;
  std::optional<JobId> job;
};
absl::StatusOr<PredictionParent> ParsePredictionParent(const std::string& parent);

// The jobs of `parent`, by index. NOT_FOUND for an unknown run or job.
absl::StatusOr<std::vector<JobCopy>> CopyJobs(const coordinator::View& view,
                                              const PredictionParent& parent);
// What `wanted` means for `jobs`. The errors of PredictionFilter::Create.
absl::StatusOr<PredictionFilter> ResolveFilter(const v1::PredictionFilter& wanted,
                                               const std::vector<JobCopy>& jobs);
// The succeeded jobs that `filter` admits. Attempts that still run have no results yet.
std::vector<PredictionSource> FindSources(const std::vector<JobCopy>& jobs,
                                          const PredictionFilter& filter);

// Where a walk stands: at `position` of the source with `index`, or the first one after it.
struct PredictionPosition {
  uint64_t index = 0;
  uint64_t position = 0;
};

// Walks over the predictions that pass a filter. Holds one prediction at a time. Not thread-safe.
class PredictionWalk {
 public:
  // Takes the prediction, or leaves it for the next call and returns false.
  using Visitor = std::function<bool(const PredictionSource&, v1::Prediction)>;

  // `cancelled` is asked now and then, on the thread that walks; none: never.
  PredictionWalk(store::Store* store, std::vector<PredictionSource> sources,
                 PredictionFilter filter, PredictionPosition start,
                 std::function<bool()> cancelled = nullptr);

  // Calls `visit` with one prediction after the other until it returns false or none is left. Every
  // call reads the store from the beginning of a job, so make few. DATA_LOSS for a prediction that
  // cannot be read and for a job that has fewer than its result says; NOT_FOUND if that is because
  // the run was deleted; CANCELLED.
  absl::Status Next(const Visitor& visit);

  // Whether nothing is left.
  bool done() const { return source_ == sources_.size(); }
  // Where Next goes on.
  PredictionPosition position() const;

 private:
  // Why `source` ended after position_ predictions.
  absl::Status Short(const PredictionSource& source) const;

  store::Store* const store_;
  const std::vector<PredictionSource> sources_;
  const PredictionFilter filter_;
  const std::function<bool()> cancelled_;
  size_t source_ = 0;
  size_t position_ = 0;  // in the source
};

}  // namespace rwku::service
