// Tells watchers that there is something new about a run. It carries no content: a watcher reads
// the store at its own pace, so a slow one costs a flag, not a buffer.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

#include "base/strong_id.h"

namespace rwku::coordinator {

// Called on the hub's thread, one call at a time, with no lock held.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // The run, one of its jobs or their progress changed.
  virtual void OnChange() = 0;
  // Nothing more will come: NOT_FOUND when the run was deleted, UNAVAILABLE at shutdown.
  virtual void OnClosed(absl::Status status) = 0;
};

// Thread-safe.
class WatchHub {
 public:
  WatchHub();
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // Keeps `watcher` alive until Remove. A change after this call is told at least once.
  void Add(const RunId& run, std::shared_ptr<Watcher> watcher);
  // A call that is under way may still end after this returns.
  void Remove(const RunId& run, const Watcher* watcher);

  // Watchers that were added and not removed.
  size_t Count();

  // Changes that come faster than watchers take them become one.
  void NotifyChange(const RunId& run);
  // Closes the run's watchers.
  void NotifyDeleted(const RunId& run);
  // Closes every watcher, also those added later.
  void CloseAll(const absl::Status& status);

 private:
  void Loop();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stopping_ || !changed_.empty() || !closing_.empty();
  }

  absl::Mutex mu_;
  std::map<RunId, std::vector<std::shared_ptr<Watcher>>> watchers_ ABSL_GUARDED_BY(mu_);
  std::set<RunId> changed_ ABSL_GUARDED_BY(mu_);
  std::map<RunId, absl::Status> closing_ ABSL_GUARDED_BY(mu_);
  absl::Status closed_ ABSL_GUARDED_BY(mu_);  // not OK once CloseAll was called
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rwku::coordinator
