#include "client/local/child_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

namespace rwku::local {
namespace {

constexpr size_t kTailLines = 5;
constexpr size_t kTailBytes = 2000;
constexpr absl::Duration kPoll = absl::Milliseconds(5);

// The last lines of `log` after its first `start` bytes.
std::string Tail(const std::filesystem::path& log, uint64_t start) {
  const absl::StatusOr<std::string> text = ReadFile(log);
  if (!text.ok() || text->size() <= start) {
    return "it logged nothing";
  }
  absl::string_view fresh = absl::string_view(*text).substr(start);
  if (fresh.size() > kTailBytes) {
    fresh.remove_prefix(fresh.size() - kTailBytes);
  }
  std::vector<absl::string_view> lines = absl::StrSplit(fresh, '\n', absl::SkipWhitespace());
  // Our daemons say in plain words why they end; the structured lines around that are for machines.
  std::vector<absl::string_view> plain;
  std::copy_if(lines.begin(), lines.end(), std::back_inserter(plain),
               [](absl::string_view line) { return line.front() != '{'; });
  if (!plain.empty()) {
    lines = std::move(plain);
  }
  const size_t first = lines.size() > kTailLines ? lines.size() - kTailLines : 0;
  std::string tail;
  for (size_t i = first; i < lines.size(); ++i) {
    absl::StrAppend(&tail, i == first ? "" : " | ", lines[i]);
  }
  return tail;
}

// This process's variables without those by which its user reaches a server elsewhere: our daemons
// would take them for flags of their own, and they may hold a token.
std::vector<char*> ChildEnvironment() {
  static constexpr absl::string_view kLeftOut[] = {"RWKU_TLS_",           "RWKU_TOKEN",
                                                   "RWKU_RATE_LIMIT=",    "RWKU_AUDIT_LOG=",
                                                   "RWKU_HEALTH_LISTEN=", "RWKU_METRICS_LISTEN="};
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::none_of(
            std::begin(kLeftOut), std::end(kLeftOut),
            [variable](absl::string_view prefix) { return absl::StartsWith(*variable, prefix); })) {
      variables.push_back(*variable);
    }
  }
  variables.push_back(nullptr);
  return variables;
}

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void Exec(char* const* argv, char* const* environment, int log, pid_t parent,
                       int report) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent) {  // else the parent died before the line above
    setpgid(0, 0);
    const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0) {
      execve(argv[0], argv, environment);
    }
  }
  const int problem = errno;
  const ssize_t written = write(report, &problem, sizeof(problem));
  _exit(written == sizeof(problem) ? 127 : 126);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& name, const std::vector<std::string>& argv,
    const std::filesystem::path& log) {
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) {
    return absl::InternalError(absl::StrCat(log.string(), ": ", std::strerror(errno)));
  }
  struct stat info {};
  const uint64_t log_start = fstat(log_fd, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
  int report[2] = {-1, -1};  // tells why exec failed; closed by one that succeeds
  if (pipe2(report, O_CLOEXEC) != 0) {
    close(log_fd);
    return absl::InternalError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  std::vector<char*> environment = ChildEnvironment();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    Exec(pointers.data(), environment.data(), log_fd, parent, report[1]);
  }
  const int fork_problem = errno;
  close(log_fd);
  close(report[1]);
  if (pid < 0) {
    close(report[0]);
    return absl::InternalError(absl::StrCat("fork: ", std::strerror(fork_problem)));
  }
  int problem = 0;
  ssize_t got = 0;
  do {
    got = read(report[0], &problem, sizeof(problem));
  } while (got < 0 && errno == EINTR);
  close(report[0]);
  if (got == sizeof(problem)) {
    waitpid(pid, nullptr, 0);
    return absl::InternalError(
        absl::StrCat("cannot start ", name, " (", argv[0], "): ", std::strerror(problem)));
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(name, pid, log, log_start));
}

ChildProcess::ChildProcess(std::string name, pid_t pid, std::filesystem::path log,
                           uint64_t log_start)
    : name_(std::move(name)), pid_(pid), log_(std::move(log)), log_start_(log_start) {}

ChildProcess::~ChildProcess() {
  const absl::MutexLock lock(&mu_);
  if (!Reap(WNOHANG)) {
    kill(pid_, SIGKILL);
    Reap(0);
  }
}

bool ChildProcess::Reap(int flags) {
  while (!ended_) {
    const pid_t got = waitpid(pid_, &wait_status_, flags);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    ended_ = got != 0;
    break;
  }
  return ended_;
}

absl::Status ChildProcess::Check() {
  int wait_status = 0;
  {
    const absl::MutexLock lock(&mu_);
    if (!Reap(WNOHANG)) {
      return absl::OkStatus();
    }
    wait_status = wait_status_;
  }
  const std::string how = WIFSIGNALED(wait_status)
                              ? absl::StrCat("was killed by signal ", WTERMSIG(wait_status))
                              : absl::StrCat("ended with code ", WEXITSTATUS(wait_status));
  return absl::InternalError(absl::StrCat(name_, " ", how, "; last lines of ", log_.string(), ": ",
                                          Tail(log_, log_start_)));
}

void ChildProcess::Terminate() {
  const absl::MutexLock lock(&mu_);
  if (!Reap(WNOHANG)) {
    kill(pid_, SIGTERM);
  }
}

void ChildProcess::AwaitEnd(const Clock& clock, absl::Duration deadline) {
  while (true) {
    {
      const absl::MutexLock lock(&mu_);
      if (Reap(WNOHANG)) {
        return;
      }
      if (clock.Monotonic() >= deadline) {
        kill(pid_, SIGKILL);
        Reap(0);
        return;
      }
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace rwku::local
