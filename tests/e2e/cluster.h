// A server and workers as real processes over folders of their own, for tests that kill, stop and
// restart them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "client/client.h"
#include "tests/testing/process.h"

namespace rwku::e2e {

struct ClusterOptions {
  // Folder for everything; must not exist.
  std::filesystem::path root;
  // Binary of the workers, below the build folder.
  std::string worker_binary = "bin/rwku-worker-fake";
  // Extra arguments of the server, and how the client makes itself known.
  std::vector<std::string> server_flags;
  net::ChannelSecurity client_security;
  // Extra arguments and variables of every worker.
  std::vector<std::string> worker_flags;
  std::vector<std::pair<std::string, std::string>> worker_env;
  std::filesystem::path models;
  std::filesystem::path datasets;
  absl::Duration lease_duration = absl::Seconds(2);
  absl::Duration heartbeat_interval = absl::Milliseconds(300);
};

// Not thread-safe. Destruction kills every process.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options);

  // Starts the server on the data that is there; the port stays the same over restarts. Returns
  // once it serves.
  absl::Status StartServer();
  // SIGKILL.
  void KillServer();
  // SIGTERM; the exit code must be 0.
  absl::Status StopServer();

  // Starts, kills (SIGKILL) or stops (SIGTERM, exit code 0) the worker `name`.
  absl::Status StartWorker(const std::string& name);
  void KillWorker(const std::string& name);
  absl::Status StopWorker(const std::string& name);
  testing::Process& worker(const std::string& name) { return workers_.at(name); }

  client::Client& client() { return *client_; }
  std::string address() const;

  // The end of every log, for a failing test's message.
  std::string Logs() const;

 private:
  std::filesystem::path Log(const std::string& process) const;

  const ClusterOptions options_;
  RealClock clock_;
  std::string port_;                      // the same over restarts
  std::vector<testing::Process> server_;  // none or one
  std::map<std::string, testing::Process> workers_;
  std::unique_ptr<client::Client> client_;
};

// What a run leaves that must not depend on anything but its inputs: by job (target, recipe, seed),
// the result with its curve, checksums and digest, and every prediction, serialized; timings,
// loads, caches, memory, workers and attempts are left out.
absl::StatusOr<std::map<std::string, std::string>> ResultsOf(client::Client& client,
                                                             const std::string& run);

}  // namespace rwku::e2e
