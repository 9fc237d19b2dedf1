// What commits say about attempts: which began, and how they ended. Pure: a live lease is one that
// a committed record says is live, so a step that never reached the disk is never counted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/strong_id.h"
#include "server/scheduler/scheduler.h"
#include "server/scheduler/types.h"

namespace rwku::metrics {

// How an attempt ended. The five classes of failure stand for themselves.
enum class AttemptOutcome {
  kSucceeded,
  kInfrastructure,  // its worker was lost, or said that it was not the job's fault
  kResource,
  kNumeric,
  kInput,
  kInternal,
  kReleased,   // given back unfinished, e.g. by a drain
  kCancelled,  // its run was cancelled or deleted
};

// "succeeded", "infrastructure", ...
absl::string_view OutcomeName(AttemptOutcome outcome);
// All of them, in order.
const std::vector<AttemptOutcome>& AllOutcomes();

struct AttemptEnd {
  AttemptOutcome outcome = AttemptOutcome::kSucceeded;
  bool expired = false;  // its lease ran out without a word from the worker
  int ranks = 1;         // workers that shared the attempt
};

struct LedgerEntry {
  int granted = 0;  // 1 if an attempt began
  int ranks = 1;    // of the attempt that began
  std::optional<AttemptEnd> end;
};

// Not thread-safe. Holds one entry a live lease.
class LeaseLedger {
 public:
  // Forgets everything and takes the live leases of `state` as they are, without counting them.
  void Load(const scheduler::PersistentState& state);

  // Takes a committed change in, in order. A deleted run's live leases end as cancelled, so that
  // several attempts may end at once.
  std::vector<LedgerEntry> Apply(const scheduler::StateChange& change);

 private:
  struct Live {
    RunId run;
    uint64_t fencing_token = 0;
    int ranks = 1;
  };

  std::optional<AttemptEnd> EndOf(const Live& live, const scheduler::JobRecord& job) const;

  absl::flat_hash_map<JobId, Live> live_;
};

}  // namespace rwku::metrics
