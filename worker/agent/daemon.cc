#include "worker/agent/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "rwku/v1/worker.grpc.pb.h"
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/identifier.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "net/address.h"
#include "net/channel.h"
#include "net/local_address.h"
#include "net/protocol_version.h"
#include "net/signal_waiter.h"
#include "worker/agent/agent.h"
#include "worker/agent/convert.h"
#include "worker/agent/exporter.h"
#include "worker/job/run_attempt.h"
#include "worker/metrics/worker_metrics.h"

namespace rwku::agent {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Flags {
  std::string server = "127.0.0.1:7450";
  net::ChannelSecurity security;
  std::string name;
  std::string models;
  std::string datasets;
  std::string export_root;
  std::string device = "auto";
  std::string dtype = "auto";
  int threads = 1;
  std::optional<int> decode_batch;
  std::optional<uint64_t> kv_bytes;
  std::optional<int64_t> prefill_tokens;
  std::string cache_dir;
  std::string drain_timeout = "30s";
  std::string abort_timeout;
  std::string gang_address;
  std::string gang_timeout = "60s";
  std::string gang_join_timeout = "30m";
  std::string gang_interface;
  std::string metrics_listen;
  std::string log_level = "info";
};

// "<host>-<pid>", made of the characters that a worker's name may have.
std::string DefaultName() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) {
    host = {'w', 'o', 'r', 'k', 'e', 'r', '\0'};
  }
  std::string name = host.data();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !IsIdentifierCharacter(c); }, '-');
  const std::string suffix = absl::StrCat("-", getpid());
  return absl::StrCat(name.substr(0, kMaxIdentifierBytes - suffix.size()), suffix);
}

// Tells this start of the process from every other.
std::string NewIncarnation() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

std::string CpuName() {
  const absl::StatusOr<std::string> info = ReadFile("/proc/cpuinfo");
  if (!info.ok()) {
    return "CPU";
  }
  for (absl::string_view line : absl::StrSplit(*info, '\n')) {
    if (absl::ConsumePrefix(&line, "model name")) {
      return std::string(absl::StripLeadingAsciiWhitespace(
          absl::StripPrefix(absl::StripLeadingAsciiWhitespace(line), ":")));
    }
  }
  return "CPU";
}

uint64_t MachineMemory() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  const int64_t page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : 0;
}

std::string CheckName(const std::string& name) {
  return IsIdentifier(name)
             ? ""
             : absl::StrCat("\"", name, "\" is no worker name; 1 to ", kMaxIdentifierBytes,
                            " letters, digits, '.', '_' or '-' are allowed");
}

std::string CheckDevice(const std::string& device) {
  absl::string_view rest = device;
  const bool cuda = absl::ConsumePrefix(&rest, "cuda:") && !rest.empty() &&
                    std::all_of(rest.begin(), rest.end(), [](char c) {
                      return absl::ascii_isdigit(static_cast<unsigned char>(c));
                    });
  return device == "auto" || device == "cpu" || cuda
             ? ""
             : absl::StrCat("\"", device, "\" is no device; cpu, cuda:N or auto is allowed");
}

std::string CheckDuration(const std::string& text) {
  absl::Duration duration;
  return absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration()
             ? ""
             : absl::StrCat("\"", text, "\" is no duration; e.g. 30s or 2m is allowed");
}

std::string CheckPositiveDuration(const std::string& text) {
  absl::Duration duration;
  return absl::ParseDuration(text, &duration) && duration >= absl::Milliseconds(100) &&
                 duration <= absl::Hours(24)
             ? ""
             : absl::StrCat("\"", text, "\" is no duration from 100ms to 24h; e.g. 60s is allowed");
}

constexpr char kNoGangs[] = "none";

std::string CheckGangAddress(const std::string& text) {
  if (text == kNoGangs) {
    return "";
  }
  const absl::StatusOr<net::HostPort> address = net::ParseHostPort(text);
  return address.ok() ? "" : std::string(address.status().message());
}

absl::Duration Duration(const std::string& text) {
  absl::Duration duration;
  absl::ParseDuration(text, &duration);  // checked with the flags
  return duration;
}

// An exchange under way when an attempt is given up ends with the gang's time-out at the latest: a
// process that is well must not be ended before.
void SettleAbortTimeout(Flags* flags) {
  const absl::Duration gang_timeout = Duration(flags->gang_timeout);
  if (flags->abort_timeout.empty()) {
    flags->abort_timeout = absl::FormatDuration(gang_timeout + absl::Seconds(30));
  } else if (Duration(flags->abort_timeout) <= gang_timeout) {
    throw CLI::ValidationError(
        "--abort-timeout", absl::StrCat("found ", flags->abort_timeout, "; allowed is more than ",
                                        "--gang-timeout, which is ", flags->gang_timeout));
  }
}

void AddSecurityFlags(net::ChannelSecurity* security, CLI::App* app) {
  app->add_option("--tls-ca", security->tls_ca,
                  "Certificates in PEM that vouch for the server's; switches TLS on")
      ->envname("RWKU_TLS_CA");
  app->add_option("--tls-server-name", security->tls_server_name,
                  "Name in the server's certificate (default: the host of --server)")
      ->envname("RWKU_TLS_SERVER_NAME");
  app->add_option("--tls-certificate", security->tls_certificate,
                  "This worker's certificate chain in PEM; re-read when it changes")
      ->envname("RWKU_TLS_CERTIFICATE");
  app->add_option("--tls-key", security->tls_key, "Private key of --tls-certificate in PEM")
      ->envname("RWKU_TLS_KEY");
  app->add_option("--token-file", security->token_file,
                  "File with this worker's token; re-read when it changes")
      ->envname("RWKU_TOKEN_FILE");
}

// Parses into `flags`. A value where the process should end with that exit code at once.
std::optional<int> ParseFlags(int argc, char** argv, Flags* flags) {
  CLI::App app{"The rwku worker: unlearns and measures what a coordinator leases to it."};
  app.set_version_flag("--version", absl::StrCat("rwku-worker ", std::string(net::BinaryVersion()),
                                                 " (worker protocol ", net::kProtocolVersion, ")"));
  app.add_option("--server", flags->server, "host:port of the coordinator")
      ->envname("RWKU_SERVER")
      ->capture_default_str();
  AddSecurityFlags(&flags->security, &app);
  app.add_option("--name", flags->name, "Stable name of this worker (default: host and process)")
      ->envname("RWKU_NAME")
      ->check(CheckName);
  app.add_option("--models", flags->models, "Folder with the models, one folder each")
      ->envname("RWKU_MODELS")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--datasets", flags->datasets, "Folder with the datasets, one folder each")
      ->envname("RWKU_DATASETS")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--export-root", flags->export_root,
                 "Folder to keep tuned weights in, made when needed (default: none are kept)")
      ->envname("RWKU_EXPORT_ROOT");
  app.add_option("--device", flags->device, "cpu, cuda:N or auto")
      ->envname("RWKU_DEVICE")
      ->check(CheckDevice)
      ->capture_default_str();
  app.add_option("--dtype", flags->dtype,
                 "float32, bfloat16 or auto: what weights are held and multiplied in (auto: "
                 "bfloat16 on a GPU, else float32)")
      ->envname("RWKU_DTYPE")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  app.add_option("--decode-batch", flags->decode_batch,
                 "Sequences that are continued together (default: planned from free memory)")
      ->envname("RWKU_DECODE_BATCH")
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--kv-bytes", flags->kv_bytes,
                 "Memory for keys and values, e.g. 4GiB (default: planned from free memory)")
      ->envname("RWKU_KV_BYTES")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  app.add_option("--prefill-tokens", flags->prefill_tokens,
                 "Tokens of prompts that pass through the model together (default: planned)")
      ->envname("RWKU_PREFILL_TOKENS")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--threads", flags->threads, "Threads of computation on the CPU")
      ->envname("RWKU_THREADS")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--cache-dir", flags->cache_dir,
                 "Folder for what the engine keeps over restarts (default: nothing is kept)")
      ->envname("RWKU_CACHE_DIR");
  app.add_option("--drain-timeout", flags->drain_timeout,
                 "How long the present attempt may go on after SIGTERM")
      ->envname("RWKU_DRAIN_TIMEOUT")
      ->check(CheckDuration)
      ->capture_default_str();
  app.add_option(
         "--abort-timeout", flags->abort_timeout,
         "An attempt that was given up and does not end within this ends the process; above "
         "--gang-timeout (default: 30s above it)")
      ->envname("RWKU_ABORT_TIMEOUT")
      ->check(CheckPositiveDuration);
  app.add_option("--gang-address", flags->gang_address,
                 "host:port where other workers reach this one when they share a job, or \"none\" "
                 "(default: the address towards the server, and a free port)")
      ->envname("RWKU_GANG_ADDRESS")
      ->check(CheckGangAddress);
  app.add_option("--gang-timeout", flags->gang_timeout,
                 "An exchange between the workers of a job that takes longer ends the attempt")
      ->envname("RWKU_GANG_TIMEOUT")
      ->check(CheckPositiveDuration)
      ->capture_default_str();
  app.add_option("--gang-join-timeout", flags->gang_join_timeout,
                 "The workers of a job have to find each other within this, model loads included")
      ->envname("RWKU_GANG_JOIN_TIMEOUT")
      ->check(CheckPositiveDuration)
      ->capture_default_str();
  app.add_option("--gang-interface", flags->gang_interface,
                 "Network interface of that exchange (default: the one of the gang's address)")
      ->envname("RWKU_GANG_INTERFACE");
  app.add_option("--metrics-listen", flags->metrics_listen,
                 "Serve /metrics, /healthz and /readyz over HTTP on host:port (default: not)")
      ->envname("RWKU_METRICS_LISTEN");
  app.add_option("--log-level", flags->log_level, "debug, info, warning or error")
      ->envname("RWKU_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.callback([flags] { SettleAbortTimeout(flags); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (flags->name.empty()) {
    flags->name = DefaultName();
  }
  return std::nullopt;
}

v1::Device DescribeDevice(const EngineSetup& setup) {
  v1::Device device;
  device.set_name(setup.device);
  device.set_description(setup.description.empty() ? CpuName() : setup.description);
  const bool machine = setup.memory_bytes == 0 && setup.device == "cpu";
  device.set_memory_bytes(machine ? MachineMemory() : setup.memory_bytes);
  return device;
}

// host:port where the other ranks of a gang reach this worker, or empty.
absl::StatusOr<std::string> GangAddress(const Flags& flags) {
  if (flags.gang_address == kNoGangs) {
    return std::string();
  }
  net::HostPort address;
  if (flags.gang_address.empty()) {
    RWKU_ASSIGN_OR_RETURN(const net::HostPort server, net::ParseHostPort(flags.server));
    const absl::StatusOr<std::string> host = net::LocalAddressTowards(server);
    if (!host.ok()) {
      RWKU_LOG(kWarning, "joins no gang: give --gang-address")
          .With("error", host.status().message());
      return std::string();
    }
    address.host = *host;
  } else {
    RWKU_ASSIGN_OR_RETURN(address, net::ParseHostPort(flags.gang_address));
  }
  if (address.port == 0) {
    absl::StatusOr<int> port = net::FreePort(address.host);
    if (!port.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--gang-address: ", std::string(port.status().message())));
    }
    address.port = *port;
  }
  return net::FormatHostPort(address);
}

// What a worker stands on, made of its flags.
struct Setup {
  std::shared_ptr<grpc::Channel> channel;
  EngineSetup engine;
  std::string gang_address;
};

// INVALID_ARGUMENT is a mistake in the flags.
absl::StatusOr<Setup> SetUp(const Flags& flags, const EngineFactory& make_engine) {
  Setup setup;
  RWKU_ASSIGN_OR_RETURN(setup.channel, net::CreateChannel(flags.server, flags.security));
  RWKU_ASSIGN_OR_RETURN(setup.engine, make_engine({.device = flags.device,
                                                   .dtype = flags.dtype,
                                                   .threads = flags.threads,
                                                   .decode_batch = flags.decode_batch,
                                                   .cache_bytes = flags.kv_bytes,
                                                   .prefill_tokens = flags.prefill_tokens,
                                                   .cache_folder = flags.cache_dir}));
  RWKU_ASSIGN_OR_RETURN(setup.gang_address, GangAddress(flags));
  return setup;
}

// Serves until drained.
absl::Status Serve(const Flags& flags, const Setup& base,
                   std::unique_ptr<net::SignalWaiter> signals) {
  const EngineSetup& setup = base.engine;
  const absl::Duration drain_timeout = Duration(flags.drain_timeout);
  const RealClock clock;
  const job::Roots roots{
      .models = flags.models, .datasets = flags.datasets, .exports = flags.export_root};
  const std::unique_ptr<v1::WorkerService::Stub> stub = v1::WorkerService::NewStub(base.channel);

  AgentOptions options;
  options.state.worker = flags.name;
  options.state.incarnation = NewIncarnation();
  options.state.version = std::string(net::BinaryVersion());
  options.state.devices = {DescribeDevice(setup)};
  options.state.gang_address = base.gang_address;
  options.state.gang_timeout = Duration(flags.gang_timeout);
  options.state.gang_join_timeout = Duration(flags.gang_join_timeout);
  options.state.gang_interface = flags.gang_interface;
  options.state.abort_timeout = Duration(flags.abort_timeout);
  options.on_stuck = [](const v1::Lease& lease) {
    RWKU_LOG(kError, "an attempt that was given up does not end: the process ends")
        .With("lease", LeaseText(lease));
    _exit(kExitFailed);
  };
  RWKU_LOG(kInfo, "worker starts")
      .With("version", net::BinaryVersion())
      .With("incarnation", options.state.incarnation)
      .With("server", flags.server)
      .With("tls_ca", flags.security.tls_ca)
      .With("tls_server_name", flags.security.tls_server_name)
      .With("tls_certificate", flags.security.tls_certificate)
      .With("tls_key", flags.security.tls_key)
      .With("token_file", flags.security.token_file)
      .With("models", flags.models)
      .With("datasets", flags.datasets)
      .With("export_root", flags.export_root)
      .With("device", setup.device)
      .With("dtype", flags.dtype)
      .With("threads", flags.threads)
      .With("cache_dir", flags.cache_dir)
      .With("drain_timeout", flags.drain_timeout)
      .With("abort_timeout", flags.abort_timeout)
      .With("gang_address", base.gang_address)
      .With("gang_timeout", flags.gang_timeout)
      .With("gang_join_timeout", flags.gang_join_timeout)
      .With("gang_interface", flags.gang_interface)
      .With("metrics_listen", flags.metrics_listen)
      .With("log_level", flags.log_level);

  metrics::WorkerMetrics metrics(
      {.worker = flags.name, .device = setup.device, .version = std::string(net::BinaryVersion())},
      &clock);
  Agent agent(std::move(options), stub.get(), &clock,
              metrics.Count([&](const job::AttemptSpec& spec,
                                const job::AttemptCallbacks& callbacks, const CancelToken& cancel) {
                return job::RunAttempt(spec, roots, *setup.engine, clock, callbacks, cancel);
              }));
  RWKU_ASSIGN_OR_RETURN(
      const std::unique_ptr<Exporter> exporter,
      Exporter::Start({.listen = flags.metrics_listen,
                       .certificates = {{"worker", flags.security.tls_certificate}}},
                      &metrics, &agent));
  bool asked_before = false;
  signals->Start([&agent, &asked_before, drain_timeout](int signal) {
    RWKU_LOG(kInfo, asked_before ? "gives its leases back" : "drains").With("signal", signal);
    agent.Drain(asked_before ? absl::ZeroDuration() : drain_timeout);
    asked_before = true;
  });
  absl::Status status = agent.Run();
  signals.reset();  // its thread uses the agent
  return status;
}

// Says why the worker ends: a log line for machines, a plain one for people.
void TellEnd(const absl::Status& status) {
  RWKU_LOG(kError, "worker ends").With("error", status.ToString());
  std::cerr << "rwku-worker: " << std::string(status.message()) << "\n";
}

}  // namespace

int RunDaemon(int argc, char** argv, const EngineFactory& make_engine) {
  Flags flags;
  if (const std::optional<int> exit_code = ParseFlags(argc, argv, &flags); exit_code.has_value()) {
    return *exit_code;
  }
  SetMinimumLogSeverity(*ParseLogSeverity(flags.log_level));  // checked with the flags
  SetLogContext("worker", flags.name);
  // A rank that went away is an error of the exchange, not the end of this process.
  std::signal(SIGPIPE, SIG_IGN);
  // First, so that every thread below leaves the signals alone.
  auto signals = std::make_unique<net::SignalWaiter>();
  const absl::StatusOr<Setup> setup = SetUp(flags, make_engine);
  if (!setup.ok()) {
    TellEnd(setup.status());
    return absl::IsInvalidArgument(setup.status()) ? kExitUsage : kExitFailed;
  }
  if (const absl::Status status = Serve(flags, *setup, std::move(signals)); !status.ok()) {
    TellEnd(status);
    return kExitFailed;
  }
  RWKU_LOG(kInfo, "worker ends");
  return 0;
}

}  // namespace rwku::agent
