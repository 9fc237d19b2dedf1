// A private server and its workers as child processes on loopback: the embedded mode.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "client/client.h"
#include "client/local/child_process.h"

namespace rwku::local {

// Where the workers keep the weights of runs that ask for it.
std::filesystem::path ExportRoot(const std::filesystem::path& data_dir);

// Whether the workers of this build can use a GPU.
bool BuiltWithCuda();

struct ClusterOptions {
  // Path of this program; the binaries are looked for beside it unless named.
  std::string executable;
  std::string server_binary;
  std::string worker_binary;
  std::filesystem::path data_dir;  // made if missing; holds server/, logs/ and exports/
  std::string models;
  std::string datasets;
  // Called once the server serves, before a worker starts; its error ends the start. May be empty.
  std::function<absl::Status(client::Client&)> on_serving;
  bool with_workers = true;
  int workers = 0;     // 0 = one a GPU, or one CPU slot where none can be used
  int threads = 0;     // of one worker; 0 = its share of `cores`
  int cores = 1;       // that the workers share, at least 1
  std::string device;  // of every worker; empty = GPUs in turn, or the CPU
  absl::Duration start_timeout = absl::Minutes(2);
  absl::Duration stop_timeout = absl::Seconds(20);
  const Clock* clock = nullptr;      // not null, outlives the cluster
  std::function<bool()> stop_asked;  // looked at while waiting
  bool use_gpus = BuiltWithCuda();   // else workers run on the CPU whatever the machine has
  std::filesystem::path device_root = "/dev";
};

// Used from the main thread, whose end kills the children; the checks from any.
class Cluster {
 public:
  // Starts the processes and returns once the server serves and every worker is connected.
  // CANCELLED if `stop_asked` says so; the error of `on_serving`; otherwise that of the process
  // that ended early, with the end of its log (a second cluster on the same data folder gets the
  // server's words about its lock this way); DEADLINE_EXCEEDED after `start_timeout`.
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(const ClusterOptions& options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // "127.0.0.1:port" of the server.
  const std::string& address() const { return address_; }
  // OK while every process runs.
  absl::Status Check() const;
  // OK while commands may still come to their end: the server runs, and one of the workers if there
  // are any. Else why the first of those ended.
  absl::Status CheckUsable() const;
  // Worker processes that were started.
  int workers() const { return static_cast<int>(workers_.size()); }
  // CPU threads of each worker; 0 without workers.
  int threads() const { return threads_; }

  // Ends the workers, then the server: SIGTERM, and SIGKILL after `stop_timeout`. Idempotent.
  void Stop();

 private:
  explicit Cluster(ClusterOptions options) : options_(std::move(options)) {}
  absl::Status StartServer();
  absl::Status StartWorkers(client::Client& client);
  // Calls `ready` until it is true, while the processes run.
  absl::Status Await(const std::string& what, const std::function<bool()>& ready);

  const ClusterOptions options_;
  std::string address_;
  int threads_ = 0;
  std::unique_ptr<ChildProcess> server_;
  std::vector<std::unique_ptr<ChildProcess>> workers_;
};

// Looks after a cluster from a thread of its own while the main thread waits for answers.
class Watchdog {
 public:
  // Calls `on_end` once if the cluster stops being usable. `cluster` outlives this and is not
  // stopped meanwhile.
  Watchdog(const Cluster& cluster, std::function<void()> on_end);
  // Ends the thread.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// "cuda:0", ... for the devices nvidia0, nvidia1, ... below `device_root` if GPUs are to be used;
// {"cpu"} if none, and `count` entries, devices in turn, if count > 0.
std::vector<std::string> WorkerDevices(const std::filesystem::path& device_root, bool use_gpus,
                                       int count);

}  // namespace rwku::local
