// What the parts of a simulation share: virtual time, a faulty network, the trace.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/random.h"

namespace rwku::simulation {

// Defects that can be planted into the harness around the scheduler, to show that the checks would
// find them.
enum class Bug {
  kNone,
  kAckBeforeCommit,
  kChunksNotFenced,
  kCompletionsNotFenced,
  kCommitNotAtomic,
  kLeaseNotStored,
  kRequestIdIgnored,
  kTokensForgottenOnRestart,
};

struct Options {
  uint64_t seed = 1;
  bool faults = true;
  Bug bug = Bug::kNone;
};

// Single-threaded. Callbacks run in the order of their time, then of their scheduling.
class World {
 public:
  explicit World(const Options& options)
      : options_(options),
        random_(options.seed, "world"),
        network_random_(options.seed, "network"),
        faulty_(options.faults) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  absl::Duration now() const { return now_; }
  const Options& options() const { return options_; }
  bool Has(Bug bug) const { return options_.bug == bug; }
  Random& random() { return random_; }

  void At(absl::Duration time, std::function<void()> callback) {
    queue_.emplace(std::pair(time, next_sequence_++), std::move(callback));
  }
  void After(absl::Duration delay, std::function<void()> callback) {
    At(now_ + delay, std::move(callback));
  }
  // Runs the next callback; false if there is none at or before `limit`.
  bool RunOne(absl::Duration limit) {
    if (queue_.empty() || queue_.begin()->first.first > limit) {
      return false;
    }
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    node.mapped()();
    return true;
  }

  // Delivers a message by calling `deliver`: late, never, twice or after younger ones.
  void Send(const std::function<void()>& deliver) {
    if (faulty_ && network_random_.Below(100) < 5) {
      CountFault("drop");
      return;
    }
    After(Delay(), deliver);
    if (faulty_ && network_random_.Below(100) < 10) {
      CountFault("duplicate");
      After(Delay(), deliver);
    }
  }

  // Delivers it once, late at most.
  void SendOnce(const std::function<void()>& deliver) { After(Delay(), deliver); }

  bool faulty() const { return faulty_; }
  void StopFaults() { faulty_ = false; }
  // True with a chance of `permille`, and counted, while there are faults.
  bool Fault(const char* kind, uint64_t permille) {
    if (!faulty_ || random_.Below(1000) >= permille) {
      return false;
    }
    CountFault(kind);
    return true;
  }
  void CountFault(const char* kind) { ++fault_counts_[kind]; }
  const std::map<std::string, int>& fault_counts() const { return fault_counts_; }

  // Adds a line to the trace's hash (FNV-1a); two equal runs have equal hashes.
  void Trace(absl::string_view line) {
    for (const char c : absl::StrCat(absl::ToInt64Nanoseconds(now_), " ", line)) {
      trace_hash_ = (trace_hash_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
  }
  uint64_t trace_hash() const { return trace_hash_; }

 private:
  absl::Duration Delay() {
    if (faulty_ && network_random_.Below(100) < 4) {
      CountFault("delay");
      return absl::Milliseconds(network_random_.Below(25'000));
    }
    return absl::Milliseconds(1 + network_random_.Below(40));
  }

  const Options options_;
  Random random_;
  Random network_random_;
  bool faulty_;
  absl::Duration now_ = absl::Seconds(1);
  uint64_t next_sequence_ = 0;
  std::map<std::pair<absl::Duration, uint64_t>, std::function<void()>> queue_;
  std::map<std::string, int> fault_counts_;
  uint64_t trace_hash_ = 14695981039346656037u;
};

}  // namespace rwku::simulation
