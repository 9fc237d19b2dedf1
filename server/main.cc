// rwku-server: the coordinator. The composition root: flags, store, coordinator, services, signals.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "net/protocol_version.h"
#include "net/rpc_observer.h"
#include "net/security/token.h"
#include "net/server.h"
#include "net/signal_waiter.h"
#include "server/auth/security.h"
#include "server/coordinator/coordinator.h"
#include "server/metrics/exporter.h"
#include "server/metrics/metered_store.h"
#include "server/metrics/server_metrics.h"
#include "server/service/catalog.h"
#include "server/service/unlearning_service.h"
#include "server/service/worker_service.h"
#include "server/store/copy_store.h"
#include "server/store/rocks_store.h"

namespace rwku {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// A stream ends as soon as it is told to; this is for calls that read much.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);

struct Flags {
  std::string listen = "127.0.0.1:7450";
  bool insecure_listen = false;
  std::string data;
  std::string models;
  std::string datasets;
  std::string port_file;
  std::string lease_duration = "15s";
  std::string heartbeat_interval = "3s";
  std::string metrics_listen;
  std::string log_level = "info";
  std::string backup_to;
  auth::SecurityFlags security;
};

void AddFlags(Flags* flags, CLI::App* app) {
  app->add_option("--listen", flags->listen, "Address to serve on, host:port; port 0 = any free")
      ->envname("RWKU_LISTEN")
      ->capture_default_str();
  app->add_flag("--insecure-listen", flags->insecure_listen,
                "Allow an address beyond loopback, without TLS and authentication")
      ->envname("RWKU_INSECURE_LISTEN");
  auth::AddSecurityFlags(&flags->security, app);
  app->add_option("--data", flags->data, "Folder of the database; made if it is not there")
      ->envname("RWKU_DATA")
      ->required();
  app->add_option("--models", flags->models, "Folder that holds the models")
      ->envname("RWKU_MODELS");
  app->add_option("--datasets", flags->datasets, "Folder that holds the datasets")
      ->envname("RWKU_DATASETS");
  app->add_option("--port-file", flags->port_file, "Write the port here once it serves")
      ->envname("RWKU_PORT_FILE");
  app->add_option("--lease-duration", flags->lease_duration,
                  "A silent worker loses its job after this long, e.g. 15s")
      ->envname("RWKU_LEASE_DURATION")
      ->capture_default_str();
  app->add_option("--heartbeat-interval", flags->heartbeat_interval,
                  "Workers send heartbeats this often; at most a third of the lease")
      ->envname("RWKU_HEARTBEAT_INTERVAL")
      ->capture_default_str();
  app->add_option("--metrics-listen", flags->metrics_listen,
                  "Serve /metrics, /healthz and /readyz over HTTP on host:port (default: not)")
      ->envname("RWKU_METRICS_LISTEN");
  app->add_option("--log-level", flags->log_level, "debug, info, warning or error")
      ->envname("RWKU_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app->add_option("--backup-to", flags->backup_to,
                  "Copy the database to this new folder and exit; a server may run on it");
  app->set_version_flag("--version", absl::StrCat("rwku-server ", net::BinaryVersion()));
}

struct Times {
  absl::Duration lease;
  absl::Duration heartbeat;
};

absl::StatusOr<absl::Duration> ParsePositive(const std::string& flag, const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::Milliseconds(10) ||
      duration > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": found \"", text, "\", expected a time from 10ms to 24h, e.g. 15s or 500ms"));
  }
  return duration;
}

absl::StatusOr<Times> ParseTimes(const Flags& flags) {
  const auto lease = ParsePositive("--lease-duration", flags.lease_duration);
  if (!lease.ok()) {
    return lease.status();
  }
  const auto heartbeat = ParsePositive("--heartbeat-interval", flags.heartbeat_interval);
  if (!heartbeat.ok()) {
    return heartbeat.status();
  }
  if (*heartbeat * 3 > *lease) {
    return absl::InvalidArgumentError(
        absl::StrCat("--heartbeat-interval: found ", absl::FormatDuration(*heartbeat),
                     ", allowed at most a third of --lease-duration ", absl::FormatDuration(*lease),
                     ", so that one lost heartbeat loses no lease"));
  }
  return Times{*lease, *heartbeat};
}

absl::Status CheckFolder(const std::string& flag, const std::string& path) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::is_directory(path, ignored)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(flag, ": \"", path, "\" is no folder"));
}

// The first reason to stop: a signal, or the loss of the store.
class StopReason {
 public:
  void Set(const absl::Status& status) {
    absl::MutexLock lock(&mu_);
    if (!set_) {
      set_ = true;
      status_ = status;
    }
  }
  absl::Status Wait() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&set_));
    return status_;
  }

 private:
  absl::Mutex mu_;
  bool set_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

int Fail(const absl::Status& status) {
  RWKU_LOG(kError, "cannot go on").With("error", status.ToString());
  std::cerr << "rwku-server: " << std::string(status.message()) << "\n";
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailed;
}

// Copies the store to a new folder, whether a server runs on it or not, and reads the copy through.
int BackUp(const Flags& flags) {
  absl::Status status = store::CopyStore(flags.data, flags.backup_to);
  if (status.ok()) {
    auto copy = store::RocksStore::Open({.folder = flags.backup_to});
    status = copy.ok() ? (*copy)->Load().status() : copy.status();
  }
  if (!status.ok()) {
    return Fail(status);
  }
  RWKU_LOG(kInfo, "backed up").With("data", flags.data).With("to", flags.backup_to);
  return kExitOk;
}

// What the health checks say: whether the coordinator takes changes, from when they are there. Any
// thread.
class Readiness {
 public:
  explicit Readiness(auth::Security* security) : security_(security) {}

  void Set(bool ready) {
    const absl::MutexLock lock(&mu_);
    ready_ = ready;
    Tell(ready);
  }
  // Both servers of health checks are there.
  void Begin(net::Server* server) {
    const absl::MutexLock lock(&mu_);
    server_ = server;
    Tell(ready_);
  }
  void End() {
    const absl::MutexLock lock(&mu_);
    Tell(false);
    server_ = nullptr;
  }

 private:
  void Tell(bool ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (server_ != nullptr) {
      server_->SetServing(ready);
      security_->SetServing(ready);
    }
  }

  auth::Security* const security_;
  absl::Mutex mu_;
  bool ready_ ABSL_GUARDED_BY(mu_) = true;
  net::Server* server_ ABSL_GUARDED_BY(mu_) = nullptr;
};

int Serve(const Flags& flags, const Times& times, StopReason* stop) {
  RWKU_LOG(kInfo, "configuration")
      .With("version", net::BinaryVersion())
      .With("protocol_version", static_cast<uint64_t>(net::kProtocolVersion))
      .With("listen", flags.listen)
      .With("insecure_listen", flags.insecure_listen ? "true" : "false")
      .With("tls_certificate", flags.security.tls_certificate)
      .With("tls_key", flags.security.tls_key)
      .With("tls_client_ca", flags.security.tls_client_ca)
      .With("tokens", flags.security.tokens)
      .With("rate_limit", flags.security.rate_limit)
      .With("audit_log", flags.security.audit_log)
      .With("health_listen", flags.security.health_listen)
      .With("data", flags.data)
      .With("models", flags.models)
      .With("datasets", flags.datasets)
      .With("port_file", flags.port_file)
      .With("lease_duration", absl::FormatDuration(times.lease))
      .With("heartbeat_interval", absl::FormatDuration(times.heartbeat))
      .With("metrics_listen", flags.metrics_listen)
      .With("log_level", flags.log_level);
  const RealClock clock;
  metrics::ServerMetrics metrics;
  const auto exporter =
      metrics::Exporter::Start({.listen = flags.metrics_listen,
                                .certificates = {{"server", flags.security.tls_certificate},
                                                 {"client_ca", flags.security.tls_client_ca}}},
                               &metrics);
  if (!exporter.ok()) {
    return Fail(exporter.status());
  }
  auto created_security =
      auth::Security::Create(flags.security, flags.listen, flags.insecure_listen, &clock);
  if (!created_security.ok()) {
    return Fail(created_security.status());
  }
  auth::Security& security = **created_security;
  auto store = store::RocksStore::Open({.folder = flags.data});
  if (!store.ok()) {
    return Fail(store.status());
  }
  metrics::MeteredStore metered(store->get(), &metrics, &clock);
  coordinator::Options options;
  options.on_lease_refused = [&metrics] { metrics.OnLeaseRefused(); };
  options.scheduler.lease_duration = times.lease;
  options.on_fatal = [stop](const absl::Status& status) { stop->Set(status); };
  Readiness readiness(&security);
  options.on_ready = [&readiness](bool ready) { readiness.Set(ready); };
  auto created = coordinator::Coordinator::Create(options, &metered, &clock);
  if (!created.ok()) {
    return Fail(created.status());
  }
  coordinator::Coordinator& coordinator = **created;
  const service::Catalog catalog(flags.models, flags.datasets);
  service::UnlearningServiceOptions service_options;
  service_options.schema_version = static_cast<uint32_t>(store::kSchemaVersion);
  service::UnlearningService unlearning(service_options, &coordinator, store->get(), &catalog,
                                        &clock);
  service::WorkerService workers({times.heartbeat, times.lease}, &coordinator, store->get());
  net::RpcObserverFactory observed(&metrics);
  net::ServerOptions server_options = security.ServerOptions();
  server_options.interceptors.push_back(&observed);  // last: sees the status that goes out
  auto server = net::Server::Start(
      server_options, {security.Guarded(&unlearning, v1::UnlearningService::service_full_name()),
                       security.Guarded(&workers, v1::WorkerService::service_full_name())});
  if (!server.ok()) {
    return Fail(server.status());
  }
  if (!flags.port_file.empty()) {
    const absl::Status written =
        WriteFileAtomically(flags.port_file, absl::StrCat((*server)->port(), "\n"));
    if (!written.ok()) {
      return Fail(written);
    }
  }
  auto attached = (*exporter)->Attach(&coordinator, store->get(), &clock);
  if (const absl::Status status = security.StartHealth(); !status.ok()) {
    return Fail(status);
  }
  readiness.Begin(server->get());
  RWKU_LOG(kInfo, "serving").With("address", (*server)->address());

  const absl::Status reason = stop->Wait();
  attached.reset();  // not ready from here on
  readiness.End();
  coordinator.CloseStreams(
      reason.ok() ? absl::UnavailableError("the coordinator is shutting down; connect again")
                  : absl::UnavailableError("the coordinator lost its store"));
  (*server)->Shutdown(kShutdownGrace);
  coordinator.Stop();
  if (!reason.ok()) {
    return Fail(reason);
  }
  RWKU_LOG(kInfo, "stopped");
  return kExitOk;
}

int Main(int argc, char** argv) {
  StopReason stop;
  net::SignalWaiter signals;  // before any thread; ends before `stop`
  Flags flags;
  CLI::App app("The coordinator of rwku: keeps runs and results, hands jobs to workers.",
               "rwku-server");
  AddFlags(&flags, &app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  SetMinimumLogSeverity(*ParseLogSeverity(flags.log_level));  // checked with the flags
  const absl::StatusOr<Times> times = ParseTimes(flags);
  // What is logged must be no secret.
  for (const absl::Status& status :
       {net::CheckNoToken("--tokens", flags.security.tokens), times.status(),
        CheckFolder("--models", flags.models), CheckFolder("--datasets", flags.datasets)}) {
    if (!status.ok()) {
      return Fail(status);
    }
  }
  if (!flags.backup_to.empty()) {
    return BackUp(flags);
  }
  signals.Start([&stop, stopping = false](int signal) mutable {
    RWKU_LOG(kInfo, "signal").With("number", signal);
    if (stopping) {
      _exit(kExitFailed);  // asked twice: do not wait for what still runs
    }
    stopping = true;
    stop.Set(absl::OkStatus());
  });
  return Serve(flags, *times, &stop);
}

}  // namespace
}  // namespace rwku

int main(int argc, char** argv) { return rwku::Main(argc, argv); }
