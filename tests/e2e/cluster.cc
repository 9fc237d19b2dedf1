#include "tests/e2e/cluster.h"

#include <csignal>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "tests/testing/free_port.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kStopTimeout = absl::Seconds(30);

std::string Binary(const std::string& name) {
  const char* build = std::getenv("RWKU_BINARY_DIR");
  return (fs::path(build == nullptr ? "." : build) / name).string();
}

absl::Status ExitedCleanly(testing::Process& process, const std::string& what) {
  RWKU_RETURN_IF_ERROR(process.Signal(SIGTERM));
  RWKU_ASSIGN_OR_RETURN(const testing::ProcessExit exit, process.Wait(kStopTimeout));
  if (exit.code != 0) {
    return absl::InternalError(absl::StrCat(what, " ended with ", exit.ToString(), " on SIGTERM"));
  }
  return absl::OkStatus();
}

}  // namespace

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {
  fs::create_directories(options_.root);
}

fs::path Cluster::Log(const std::string& process) const {
  return options_.root / (process + ".log");
}

std::string Cluster::address() const { return absl::StrCat("127.0.0.1:", port_); }

absl::Status Cluster::StartServer() {
  if (port_.empty()) {
    RWKU_ASSIGN_OR_RETURN(const int port, testing::FreePort());
    port_ = absl::StrCat(port);
  }
  const fs::path port_file = options_.root / "port";
  fs::remove(port_file);
  testing::ProcessOptions process;
  process.argv = {Binary("bin/rwku-server"),
                  "--listen",
                  address(),
                  "--data",
                  (options_.root / "data").string(),
                  "--models",
                  options_.models.string(),
                  "--datasets",
                  options_.datasets.string(),
                  "--port-file",
                  port_file.string(),
                  "--lease-duration",
                  absl::FormatDuration(options_.lease_duration),
                  "--heartbeat-interval",
                  absl::FormatDuration(options_.heartbeat_interval)};
  process.argv.insert(process.argv.end(), options_.server_flags.begin(),
                      options_.server_flags.end());
  process.stdout_file = Log("server");
  process.stderr_file = Log("server");
  RWKU_ASSIGN_OR_RETURN(testing::Process server, testing::Process::Start(process));
  server_.clear();
  server_.push_back(std::move(server));
  RWKU_ASSIGN_OR_RETURN(port_, testing::WaitForLine(port_file, kStartTimeout));
  if (client_ == nullptr) {
    client::ClientOptions client;
    client.server = address();
    client.security = options_.client_security;
    client.clock = &clock_;
    client.retry_window = absl::Seconds(30);
    RWKU_ASSIGN_OR_RETURN(client_, client::Client::Create(client));
  }
  return absl::OkStatus();
}

void Cluster::KillServer() {
  for (testing::Process& server : server_) {
    server.Kill();
  }
  server_.clear();
}

absl::Status Cluster::StopServer() {
  const absl::Status status = ExitedCleanly(server_.front(), "server");
  server_.clear();
  return status;
}

absl::Status Cluster::StartWorker(const std::string& name) {
  testing::ProcessOptions process;
  process.argv = {Binary(options_.worker_binary),
                  "--server",
                  address(),
                  "--name",
                  name,
                  "--models",
                  options_.models.string(),
                  "--datasets",
                  options_.datasets.string()};
  process.argv.insert(process.argv.end(), options_.worker_flags.begin(),
                      options_.worker_flags.end());
  process.env = options_.worker_env;
  process.stdout_file = Log(name);
  process.stderr_file = Log(name);
  RWKU_ASSIGN_OR_RETURN(testing::Process worker, testing::Process::Start(process));
  workers_.erase(name);
  workers_.emplace(name, std::move(worker));
  return absl::OkStatus();
}

void Cluster::KillWorker(const std::string& name) {
  workers_.at(name).Kill();
  workers_.erase(name);
}

absl::Status Cluster::StopWorker(const std::string& name) {
  const absl::Status status = ExitedCleanly(workers_.at(name), name);
  workers_.erase(name);
  return status;
}

std::string Cluster::Logs() const {
  constexpr size_t kTail = 4000;
  std::string all;
  for (const auto& entry : fs::directory_iterator(options_.root)) {
    if (entry.path().extension() == ".log") {
      const std::string text = ReadFile(entry.path()).value_or("");
      absl::StrAppend(&all, "--- ", entry.path().filename().string(), "\n",
                      text.substr(text.size() > kTail ? text.size() - kTail : 0), "\n");
    }
  }
  return all;
}

absl::StatusOr<std::map<std::string, std::string>> ResultsOf(client::Client& client,
                                                             const std::string& run) {
  std::map<std::string, std::string> results;
  std::map<std::string, std::string> keys;  // by job name
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, client.ListJobs(run));
  for (const v1::Job& job : jobs) {
    const std::string key = absl::StrCat(job.target(), "|", job.recipe().label(), "|", job.seed());
    keys[job.name()] = key;
    v1::JobResult result = job.result();
    result.clear_timings();
    // What the worker had in memory, or remembered, depends on what it did before.
    result.clear_model_loads();
    result.clear_reference_texts_computed();
    result.clear_reference_texts_cached();
    result.clear_memory();
    if (!results.emplace(key, result.SerializeAsString()).second) {
      return absl::InternalError(absl::StrCat("two jobs are ", key));
    }
  }
  RWKU_RETURN_IF_ERROR(client.ListPredictions(run, {}, [&](const v1::PredictionRow& row) {
    absl::StrAppend(&results[keys[row.job()]], row.prediction().SerializeAsString());
    return absl::OkStatus();
  }));
  return results;
}

}  // namespace rwku::e2e
