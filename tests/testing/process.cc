#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <sys/prctl.h>
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

bool Redirect(int fd, const char* path, int flags) {
  const int opened = open(path, flags | O_CLOEXEC, 0644);
  return opened >= 0 && dup2(opened, fd) >= 0;
}

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void Exec(const ProcessOptions& options, char* const* argv, char* const* env,
                       pid_t parent, int report) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // a test may block signals for itself
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
  if (getppid() == parent &&  // else the parent died before the line above
      Redirect(STDIN_FILENO, "/dev/null", O_RDONLY) &&
      Redirect(STDOUT_FILENO, options.stdout_file.c_str(), kAppend) &&
      Redirect(STDERR_FILENO, options.stderr_file.c_str(), kAppend) &&
      (options.working_directory.empty() || chdir(options.working_directory.c_str()) == 0)) {
    execvpe(argv[0], argv, env);
  }
  const int problem = errno;
  const ssize_t written = write(report, &problem, sizeof(problem));
  _exit(written == sizeof(problem) ? 127 : 126);
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
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> env = Pointers(environment);
  int report[2] = {-1, -1};  // tells why the child did not start; closed by a start
  if (pipe2(report, O_CLOEXEC) != 0) {
    return absl::InternalError(absl::StrCat("pipe: ", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    Exec(options, argv.data(), env.data(), parent, report[1]);
  }
  const int fork_problem = errno;
  close(report[1]);
  int problem = 0;
  ssize_t got = 0;
  do {
    got = read(report[0], &problem, sizeof(problem));
  } while (got < 0 && errno == EINTR);
  close(report[0]);
  if (pid < 0) {
    return absl::InternalError(absl::StrCat("fork: ", strerror(fork_problem)));
  }
  if (got == sizeof(problem)) {
    waitpid(pid, nullptr, 0);
    const std::string message = absl::StrCat("start ", arguments[0], ": ", strerror(problem));
    return problem == ENOENT ? absl::NotFoundError(message) : absl::InternalError(message);
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
