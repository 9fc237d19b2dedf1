// Which targets each job of a run forgets.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "rwku/v1/resources.pb.h"
#include "rwku/v1/worker.pb.h"

#include "benchmark/dataset/dataset.h"

namespace rwku::service {

// The target or group of a job.
struct JobTargets {
  std::string name;  // of the target, or of the group
  int number = 0;    // of the target; 0 for a group
  // One for a single job; ordered by number. The dataset owns them.
  std::vector<const dataset::TargetInfo*> targets;
};

// Takes the field at fault and what is wrong with it.
using ErrorSink = std::function<void(std::string field, std::string description)>;

// The targets of `selectors`, by number; no selectors mean all. Empty if something is wrong:
// `error` is told every bad selector by `field` and place.
std::vector<const dataset::TargetInfo*> SelectTargets(
    const dataset::Dataset& data, const google::protobuf::RepeatedPtrField<std::string>& selectors,
    const std::string& field, const ErrorSink& error);

// What `spec`'s mode, targets and groups mean in `data`, in the order of targets or groups. Fills
// these fields in: the mode, the groups by name with the names of their targets, and every target
// of the run, each once. Every problem goes to `error`; the answer is empty then.
std::vector<JobTargets> ChooseTargets(const dataset::Dataset& data, v1::RunSpec* spec,
                                      const ErrorSink& error);

// "1-10" for numbers without a gap, else the pieces joined: "1-3,7". Cut off after about 40 bytes:
// "1,3,5 and 47 more". `numbers` grow.
std::string GroupName(absl::Span<const int> numbers);

// The targets of a stored job, of older servers, too.
std::vector<v1::JobTarget> TargetsOf(const v1::JobSpec& spec);

// Whether the job has a group of targets.
bool IsGroup(const v1::JobSpec& spec);

}  // namespace rwku::service
