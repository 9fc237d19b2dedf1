// A child process that cannot outlive this one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <sys/types.h>

#include "base/clock.h"

namespace rwku::local {

// Thread-safe, except for its end.
class ChildProcess {
 public:
  // Starts `argv[0]` (a path) in a process group of its own, so that Ctrl-C reaches this process
  // only, with no input and its output appended to `log`. It is killed if the thread that called
  // Start ends: call from the main thread. `name` is for messages.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::string& name,
                                                             const std::vector<std::string>& argv,
                                                             const std::filesystem::path& log);
  // Kills the process if it still runs, and waits for it.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // OK while the process runs. Once it has ended: INTERNAL with its name, how it ended and the last
  // lines that it logged.
  absl::Status Check();

  // Asks the process to end; does not wait.
  void Terminate();
  // Waits until it has ended, at most until `deadline` of `clock`; kills it then.
  void AwaitEnd(const Clock& clock, absl::Duration deadline);

  pid_t pid() const { return pid_; }

 private:
  ChildProcess(std::string name, pid_t pid, std::filesystem::path log, uint64_t log_start);
  // Waits with waitpid's `flags`; true once the process has ended.
  bool Reap(int flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string name_;
  const pid_t pid_;
  const std::filesystem::path log_;
  const uint64_t log_start_;  // bytes that were in the log before
  // Held from looking to signalling: the pid of a process that was waited for may be another's.
  absl::Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  int wait_status_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace rwku::local
