#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"

namespace rwku::testing {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(5);

std::vector<std::string> Environment(
    const std::vector<std::pair<std::string, std::string>>& overrides) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string line = *entry;
    const std::string name = line.substr(0, line.find('='));
    const bool replaced = std::any_of(overrides.begin(), overrides.end(),
                                      [&](const auto& item) { return item.first == name; });
    if (!replaced) {
      result.push_back(line);
    }
  }
  for (const auto& [name, value] : overrides) {
    result.push_back(absl::StrCat(name, "=", value));
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

}  // namespace

std::string ProcessExit::ToString() const {
  return code.has_value() ? absl::StrCat("exit code ", *code)
                          : absl::StrCat("signal ", signal.value_or(0));
}

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  if (options.argv.empty()) {
    return absl::InvalidArgumentError("argv: empty; the first entry is the program");
  }
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = Environment(options.env);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, options.stdout_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, options.stderr_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (!options.working_directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, options.working_directory.c_str());
  }

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);  // a test may block signals for itself
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);

  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes,
                                 Pointers(arguments).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    const std::string message = absl::StrCat("start ", arguments[0], ": ", strerror(error));
    return error == ENOENT ? absl::NotFoundError(message) : absl::InternalError(message);
  }
  return Process(pid, options.argv[0]);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      program_(std::move(other.program_)),
      exit_(std::move(other.exit_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    program_ = std::move(other.program_);
    exit_ = std::move(other.exit_);
  }
  return *this;
}

Process::~Process() { Kill(); }

void Process::Reap(bool block) {
  if (pid_ < 0 || exit_.has_value()) {
    return;
  }
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid_) {
    return;
  }
  ProcessExit exit;
  if (WIFSIGNALED(status)) {
    exit.signal = WTERMSIG(status);
  } else {
    exit.code = WEXITSTATUS(status);
  }
  exit_ = exit;
}

bool Process::Running() {
  Reap(/*block=*/false);
  return pid_ >= 0 && !exit_.has_value();
}

absl::Status Process::Signal(int signal) {
  if (!Running()) {
    return absl::FailedPreconditionError(absl::StrCat(program_, ": has ended"));
  }
  if (kill(pid_, signal) != 0) {
    return absl::InternalError(absl::StrCat("signal ", program_, ": ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status Process::SignalGroup(int signal) {
  if (!Running()) {
    return absl::FailedPreconditionError(absl::StrCat(program_, ": has ended"));
  }
  if (kill(-pid_, signal) != 0) {
    return absl::InternalError(absl::StrCat("signal ", program_, ": ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<ProcessExit> Process::Wait(absl::Duration timeout) {
  if (pid_ < 0) {
    return absl::FailedPreconditionError("no child: moved from");
  }
  const absl::Status waited =
      WaitUntil(absl::StrCat(program_, " to end"), timeout, [this] { return !Running(); });
  if (!waited.ok()) {
    return waited;
  }
  return *exit_;
}

void Process::Kill() {
  if (pid_ < 0) {
    return;
  }
  Reap(/*block=*/false);
  // Also after the child's own end: what it started may live on in its group. The group's number
  // is not reused while a member lives, and without members kill() fails.
  kill(-pid_, SIGKILL);
  Reap(/*block=*/true);
}

absl::Status WaitUntil(absl::string_view what, absl::Duration timeout,
                       const std::function<bool()>& condition) {
  const RealClock clock;
  const absl::Duration deadline = clock.Monotonic() + timeout;
  while (!condition()) {
    if (clock.Monotonic() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("waited ", absl::FormatDuration(timeout), " for ", what));
    }
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> WaitForLine(const std::filesystem::path& path, absl::Duration timeout) {
  std::string contents;
  const absl::Status waited =
      WaitUntil(absl::StrCat("a line in ", path.string()), timeout, [&path, &contents] {
        absl::StatusOr<std::string> read = ReadFile(path);
        if (!read.ok() || read->empty() || read->back() != '\n') {
          return false;
        }
        contents = *std::move(read);
        contents.pop_back();
        return true;
      });
  if (!waited.ok()) {
    return waited;
  }
  return contents;
}

absl::Status WaitForText(const std::filesystem::path& path, absl::string_view text,
                         absl::Duration timeout) {
  return WaitUntil(absl::StrCat("\"", text, "\" in ", path.string()), timeout, [&path, text] {
    const absl::StatusOr<std::string> read = ReadFile(path);
    return read.ok() && read->find(std::string(text)) != std::string::npos;
  });
}

}  // namespace rwku::testing
