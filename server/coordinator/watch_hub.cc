#include "server/coordinator/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rwku::coordinator {

WatchHub::WatchHub() : thread_([this] { Loop(); }) {}

WatchHub::~WatchHub() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void WatchHub::Add(const RunId& run, std::shared_ptr<Watcher> watcher) {
  absl::MutexLock lock(&mu_);
  watchers_[run].push_back(std::move(watcher));
  if (!closed_.ok()) {
    closing_[run] = closed_;
  } else {
    changed_.insert(run);  // what came just before
  }
}

void WatchHub::Remove(const RunId& run, const Watcher* watcher) {
  std::shared_ptr<Watcher> removed;  // dies after the lock is gone
  absl::MutexLock lock(&mu_);
  const auto found = watchers_.find(run);
  if (found == watchers_.end()) {
    return;
  }
  auto& list = found->second;
  const auto it = std::find_if(list.begin(), list.end(),
                               [watcher](const auto& entry) { return entry.get() == watcher; });
  if (it != list.end()) {
    removed = std::move(*it);
    list.erase(it);
  }
  if (list.empty()) {
    watchers_.erase(found);
  }
}

size_t WatchHub::Count() {
  absl::MutexLock lock(&mu_);
  size_t count = 0;
  for (const auto& [run, watchers] : watchers_) {
    count += watchers.size();
  }
  return count;
}

void WatchHub::NotifyChange(const RunId& run) {
  absl::MutexLock lock(&mu_);
  if (watchers_.contains(run)) {
    changed_.insert(run);
  }
}

void WatchHub::NotifyDeleted(const RunId& run) {
  absl::MutexLock lock(&mu_);
  if (watchers_.contains(run)) {
    closing_[run] = absl::NotFoundError(absl::StrCat("runs/", run.value(), " was deleted"));
  }
}

void WatchHub::CloseAll(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  closed_ = status;
  for (const auto& [run, unused] : watchers_) {
    closing_[run] = status;
  }
}

void WatchHub::Loop() {
  while (true) {
    std::vector<std::shared_ptr<Watcher>> changed;
    std::vector<std::pair<std::shared_ptr<Watcher>, absl::Status>> closed;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(
          +[](WatchHub* hub) ABSL_NO_THREAD_SAFETY_ANALYSIS { return hub->HasWork(); }, this));
      for (const RunId& run : changed_) {
        if (const auto found = watchers_.find(run); found != watchers_.end()) {
          changed.insert(changed.end(), found->second.begin(), found->second.end());
        }
      }
      changed_.clear();
      for (const auto& [run, status] : closing_) {
        if (const auto found = watchers_.find(run); found != watchers_.end()) {
          for (const auto& watcher : found->second) {
            closed.emplace_back(watcher, status);
          }
        }
      }
      closing_.clear();
      if (stopping_) {
        return;
      }
    }
    for (const auto& watcher : changed) {
      watcher->OnChange();
    }
    for (const auto& [watcher, status] : closed) {
      watcher->OnClosed(status);
    }
  }
}

}  // namespace rwku::coordinator
