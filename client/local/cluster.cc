#include "client/local/cluster.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/local/cores.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPoll = absl::Milliseconds(20);
constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);

// `named`, or `program` beside the running executable.
absl::StatusOr<std::string> FindBinary(const std::string& named, const std::string& executable,
                                       const char* program, const char* variable) {
  const fs::path path =
      named.empty() ? fs::path(executable).parent_path() / program : fs::path(named);
  if (access(path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(
        "no program ", path.string(), "; install it beside rwku, or name it with ", variable));
  }
  return path.string();
}

}  // namespace

fs::path ExportRoot(const fs::path& data_dir) { return data_dir / "exports"; }

bool BuiltWithCuda() { return RWKU_WITH_CUDA != 0; }

std::vector<std::string> WorkerDevices(const fs::path& device_root, bool use_gpus, int count) {
  std::vector<std::string> found;
  std::error_code error;
  while (use_gpus && fs::exists(device_root / absl::StrCat("nvidia", found.size()), error)) {
    found.push_back(absl::StrCat("cuda:", found.size()));
  }
  if (found.empty()) {
    found.emplace_back("cpu");
  }
  std::vector<std::string> devices;
  const size_t wanted = count > 0 ? static_cast<size_t>(count) : found.size();
  for (size_t i = 0; i < wanted; ++i) {
    devices.push_back(found[i % found.size()]);
  }
  return devices;
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(const ClusterOptions& options) {
  RWKU_CHECK(options.clock != nullptr);
  std::error_code error;
  fs::create_directories(options.data_dir / "logs", error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("--data-dir ", options.data_dir.string(),
                                                   ": cannot make the folder: ", error.message()));
  }
  std::unique_ptr<Cluster> cluster(new Cluster(options));
  RWKU_RETURN_IF_ERROR(cluster->StartServer());
  client::ClientOptions client_options;
  client_options.server = cluster->address();
  client_options.timeout = absl::Seconds(5);
  client_options.clock = options.clock;
  RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<client::Client> client,
                        client::Client::Create(client_options));
  if (options.on_serving) {
    RWKU_RETURN_IF_ERROR(options.on_serving(*client));
  }
  if (options.with_workers) {
    RWKU_RETURN_IF_ERROR(cluster->StartWorkers(*client));
  }
  return cluster;
}

Cluster::~Cluster() { Stop(); }

absl::Status Cluster::Await(const std::string& what, const std::function<bool()>& ready) {
  const absl::Duration deadline = options_.clock->Monotonic() + options_.start_timeout;
  while (!ready()) {
    RWKU_RETURN_IF_ERROR(Check());
    if (options_.stop_asked && options_.stop_asked()) {
      return absl::CancelledError(absl::StrCat("stopped while waiting for ", what));
    }
    if (options_.clock->Monotonic() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          what, " did not come up within ", absl::FormatDuration(options_.start_timeout),
          "; see the logs in ", (options_.data_dir / "logs").string()));
    }
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

absl::Status Cluster::StartServer() {
  RWKU_ASSIGN_OR_RETURN(
      const std::string binary,
      FindBinary(options_.server_binary, options_.executable, "rwku-server", "RWKU_SERVER_BINARY"));
  // A name of its own: another cluster on the same folder must not read or remove it.
  const fs::path port_file = options_.data_dir / absl::StrCat("port.", getpid());
  std::error_code error;
  fs::remove(port_file, error);
  RWKU_ASSIGN_OR_RETURN(
      server_,
      ChildProcess::Start("rwku-server",
                          {binary, "--listen", "127.0.0.1:0", "--data",
                           (options_.data_dir / "server").string(), "--models", options_.models,
                           "--datasets", options_.datasets, "--port-file", port_file.string()},
                          options_.data_dir / "logs" / "server.log"));
  absl::Status ready = Await("rwku-server", [this, &port_file] {
    const absl::StatusOr<std::string> text = ReadFile(port_file);
    if (!text.ok() || absl::StripAsciiWhitespace(*text).empty()) {
      return false;
    }
    // The port alone, or host:port.
    const std::vector<std::string> parts = absl::StrSplit(absl::StripAsciiWhitespace(*text), ':');
    address_ = absl::StrCat("127.0.0.1:", parts.back());
    return true;
  });
  fs::remove(port_file, error);
  return ready;
}

absl::Status Cluster::StartWorkers(client::Client& client) {
  RWKU_ASSIGN_OR_RETURN(
      const std::string binary,
      FindBinary(options_.worker_binary, options_.executable, "rwku-worker", "RWKU_WORKER_BINARY"));
  std::vector<std::string> devices =
      WorkerDevices(options_.device_root, options_.use_gpus, options_.workers);
  if (!options_.device.empty()) {
    devices.assign(std::max(1, options_.workers), options_.device);
  }
  threads_ = options_.threads > 0
                 ? options_.threads
                 : ThreadsPerWorker(options_.cores, static_cast<int>(devices.size()));
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string name = absl::StrCat("local-", i + 1);
    std::vector<std::string> argv = {
        binary,          "--server",   address_,          "--name",   name,      "--models",
        options_.models, "--datasets", options_.datasets, "--device", devices[i]};
    argv.insert(argv.end(), {"--export-root", ExportRoot(options_.data_dir).string()});
    // Somebody waits at the terminal; what was begun is begun again by the next worker.
    argv.insert(argv.end(), {"--drain-timeout", "3s"});
    argv.insert(argv.end(), {"--threads", absl::StrCat(threads_)});
    RWKU_ASSIGN_OR_RETURN(
        std::unique_ptr<ChildProcess> worker,
        ChildProcess::Start(absl::StrCat("worker ", name), argv,
                            options_.data_dir / "logs" / absl::StrCat("worker-", name, ".log")));
    workers_.push_back(std::move(worker));
  }
  return Await("the workers", [this, &client] {
    const absl::StatusOr<v1::ServerInfo> info = client.GetServerInfo();
    return info.ok() && info->connected_workers() >= static_cast<int>(workers_.size());
  });
}

absl::Status Cluster::Check() const {
  if (server_ != nullptr) {
    RWKU_RETURN_IF_ERROR(server_->Check());
  }
  for (const std::unique_ptr<ChildProcess>& worker : workers_) {
    RWKU_RETURN_IF_ERROR(worker->Check());
  }
  return absl::OkStatus();
}

absl::Status Cluster::CheckUsable() const {
  if (server_ != nullptr) {
    RWKU_RETURN_IF_ERROR(server_->Check());
  }
  absl::Status first;
  for (const std::unique_ptr<ChildProcess>& worker : workers_) {
    const absl::Status status = worker->Check();
    if (status.ok()) {
      return absl::OkStatus();
    }
    first.Update(status);
  }
  return first;
}

Watchdog::Watchdog(const Cluster& cluster, std::function<void()> on_end)
    : thread_([this, &cluster, on_end = std::move(on_end)] {
        const absl::MutexLock lock(&mu_);
        while (!mu_.AwaitWithTimeout(absl::Condition(&stopped_), kWatchInterval)) {
          if (!cluster.CheckUsable().ok()) {
            on_end();
            return;
          }
        }
      }) {}

Watchdog::~Watchdog() {
  {
    const absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  thread_.join();
}

void Cluster::Stop() {
  // Workers first: they hand their leases back to a server that still listens.
  const absl::Duration deadline = options_.clock->Monotonic() + options_.stop_timeout;
  for (const std::unique_ptr<ChildProcess>& worker : workers_) {
    worker->Terminate();
  }
  for (const std::unique_ptr<ChildProcess>& worker : workers_) {
    worker->AwaitEnd(*options_.clock, deadline);
  }
  workers_.clear();
  if (server_ != nullptr) {
    server_->Terminate();
    server_->AwaitEnd(*options_.clock, options_.clock->Monotonic() + options_.stop_timeout);
    server_.reset();
  }
}

}  // namespace rwku::local
