// What every command works with: where it prints, which server it talks to, how it was called.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

#include "base/clock.h"
#include "client/client.h"

namespace rwku::cli {

// Ctrl-C and SIGTERM as the commands see them. Thread-safe.
class Interrupt {
 public:
  // Asks to stop; calls the handler. Returns false if somebody asked before, or nobody listens:
  // the process should then end at once.
  bool Raise() ABSL_LOCKS_EXCLUDED(mu_);
  bool raised() const ABSL_LOCKS_EXCLUDED(mu_);
  // Called (from another thread) on Raise; at once if it was raised already. Empty: nobody listens.
  void SetHandler(const std::function<void()>& handler) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable absl::Mutex mu_;
  bool raised_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void()> handler_ ABSL_GUARDED_BY(mu_);
};

// The world outside. Everything outlives the command line.
struct Environment {
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool terminal = false;  // whether `out` is a terminal
  int width = 80;         // its columns
  absl::TimeZone zone;
  const Clock* clock = nullptr;
  Interrupt* interrupt = nullptr;
  std::function<std::optional<std::string>(const std::string&)> variable;  // of the environment
  std::string executable;  // path of the running program, to find its siblings
  // How long calls are repeated while the server cannot be reached, and the first wait.
  absl::Duration retry_window = absl::Seconds(3);
  absl::Duration first_backoff = absl::Milliseconds(100);
  uint64_t seed = 1;  // of those waits' jitter; another one in every process
};

// Flags that every command takes.
struct Globals {
  std::string server = "127.0.0.1:7450";
  net::ChannelSecurity security;
  std::string timeout = "60s";
  std::string output = "table";
  bool quiet = false;
  bool no_color = false;
};

class Session {
 public:
  Session(Environment environment, Globals globals);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Environment& env() const { return environment_; }
  const Globals& globals() const { return globals_; }
  std::ostream& out() const { return *environment_.out; }
  std::ostream& err() const { return *environment_.err; }
  bool json() const { return globals_.output == "json"; }
  // Columns for tables: unlimited (0) unless on a terminal.
  int table_width() const { return environment_.terminal ? environment_.width : 0; }
  bool color() const { return environment_.terminal && !globals_.no_color; }

  // The client, made on first use. Interrupts cancel its calls.
  absl::StatusOr<client::Client*> client();

  // Prints `status` to the error stream and returns the exit code that belongs to it.
  int Fail(const absl::Status& status) const;
  // Prints `message` as JSON with every field under its name in the .proto; indented.
  void PrintJson(const google::protobuf::Message& message) const;

  // What people type before a command to reach this server again: "rwku", "rwku --server h:p" or
  // "rwku local --data-dir d".
  const std::string& invocation() const { return invocation_; }
  // Says that this session runs inside `rwku local`, reached again by `invocation`, with so many
  // workers of its own (0: the command needs none).
  void SetLocal(std::string invocation, int workers);
  bool local() const { return local_; }
  int local_workers() const { return local_workers_; }

 private:
  const Environment environment_;
  const Globals globals_;
  std::string invocation_;
  bool local_ = false;
  int local_workers_ = 0;
  std::unique_ptr<client::Client> client_;
};

// "error: message", and below it one indented line a field violation where there are several.
std::string ErrorText(const absl::Status& status);

// JSON of `message` with field names as in the .proto and fields of default value included.
std::string ToJson(const google::protobuf::Message& message, bool indented);

// "30s", "2m" or a number of seconds. INVALID_ARGUMENT unless it is a positive time.
absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text);

}  // namespace rwku::cli
