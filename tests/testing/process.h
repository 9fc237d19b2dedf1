// Child processes for tests that cross process borders: start, wait with a deadline, signal, and
// never leave one behind. The short poll loops of such tests live here and nowhere else.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <sys/types.h>

namespace rwku::testing {

struct ProcessOptions {
  // Program (searched in PATH unless it holds a slash) and its arguments.
  std::vector<std::string> argv;
  // Variables set on top of this process's environment.
  std::vector<std::pair<std::string, std::string>> env = {};
  // Standard output and standard error go here, appended. The same path may be given twice.
  std::filesystem::path stdout_file = "/dev/null";
  std::filesystem::path stderr_file = "/dev/null";
  // Folder that the child starts in; empty: this process's.
  std::filesystem::path working_directory = {};
};

// How a child ended: exactly one of the two is set.
struct ProcessExit {
  std::optional<int> code;
  std::optional<int> signal;

  // "exit code 3" or "signal 9".
  std::string ToString() const;
};

// A child in a process group of its own. Destruction kills the whole group (SIGKILL) and reaps the
// child; the system kills the child when the thread that started it ends, however it does. Not
// thread-safe. Movable.
class Process {
 public:
  // Starts the child with standard input from /dev/null. NOT_FOUND or INTERNAL name the program and
  // the system's reason.
  static absl::StatusOr<Process> Start(const ProcessOptions& options);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }

  // Whether the child has not ended yet.
  bool Running();

  // Sends `signal` to the child, or with SignalGroup to its whole group. FAILED_PRECONDITION once
  // it has ended.
  absl::Status Signal(int signal);
  absl::Status SignalGroup(int signal);

  // Waits for the end. DEADLINE_EXCEEDED after `timeout`; the child runs on then.
  absl::StatusOr<ProcessExit> Wait(absl::Duration timeout);

  // SIGKILL to the group, then waits for the child's end. Harmless once it has ended.
  void Kill();

 private:
  Process(pid_t pid, std::string program) : pid_(pid), program_(std::move(program)) {}

  // Reaps the child if it has ended; blocks for that if `block`.
  void Reap(bool block);

  pid_t pid_ = -1;  // -1: moved from
  std::string program_;
  std::optional<ProcessExit> exit_;
};

// Looks every few milliseconds until `condition` holds. DEADLINE_EXCEEDED names `what` after
// `timeout`.
absl::Status WaitUntil(absl::string_view what, absl::Duration timeout,
                       const std::function<bool()>& condition);

// Waits until `path` is a file that ends in a line break, and returns its contents without that:
// how daemons tell the port that they took. DEADLINE_EXCEEDED names the path.
absl::StatusOr<std::string> WaitForLine(const std::filesystem::path& path, absl::Duration timeout);

// Waits until `path` holds `text`. DEADLINE_EXCEEDED names both.
absl::Status WaitForText(const std::filesystem::path& path, absl::string_view text,
                         absl::Duration timeout);

}  // namespace rwku::testing
