#include "server/metrics/server_metrics.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"
#include <google/protobuf/descriptor.h>

#include "benchmark/methods/registry.h"
#include "net/protocol_version.h"

namespace rwku::metrics {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using Buckets = prometheus::Histogram::BucketBoundaries;

// Seconds.
Buckets RpcBuckets() { return {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100}; }
Buckets CommitBuckets() {
  return {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};
}
Buckets BatchBuckets() { return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}; }

// Methods that no label has: of a newer client, or of health and reflection.
constexpr char kOther[] = "other";

// As gRPC spells it.
std::string CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  const auto number = static_cast<size_t>(code);
  return number < std::size(kNames) ? kNames[number] : "UNKNOWN";
}

prometheus::Counter& OneCounter(prometheus::Registry& registry, const std::string& name,
                                const std::string& help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

ServerMetrics::ServerMetrics()
    : rpc_started_(BuildCounter()
                       .Name("rwku_server_rpc_started_total")
                       .Help("Calls that began.")
                       .Register(registry_)),
      rpc_handled_(BuildCounter()
                       .Name("rwku_server_rpc_handled_total")
                       .Help("Calls that ended, by status code.")
                       .Register(registry_)),
      rpc_in_flight_(BuildGauge()
                         .Name("rwku_server_rpc_in_flight")
                         .Help("Calls that began and have not ended.")
                         .Register(registry_)),
      rpc_duration_(BuildHistogram()
                        .Name("rwku_server_rpc_duration_seconds")
                        .Help("Time of a call that is no stream.")
                        .Register(registry_)),
      leases_granted_(OneCounter(registry_, "rwku_server_leases_granted_total",
                                 "Attempts that began: leases given to a worker or a gang.")),
      leases_expired_(OneCounter(registry_, "rwku_server_leases_expired_total",
                                 "Leases that ran out without a heartbeat.")),
      leases_refused_(OneCounter(registry_, "rwku_server_leases_refused_total",
                                 "Messages of workers about leases that were over.")),
      gangs_formed_(OneCounter(registry_, "rwku_server_gangs_formed_total",
                               "Attempts of several workers that began.")),
      gangs_broken_(OneCounter(registry_, "rwku_server_gangs_broken_total",
                               "Attempts of several workers that ended without a result.")),
      targets_done_(BuildCounter()
                        .Name("rwku_server_targets_done_total")
                        .Help("Targets of jobs that succeeded, by unlearning method.")
                        .Register(registry_)),
      commit_duration_(BuildHistogram()
                           .Name("rwku_server_commit_duration_seconds")
                           .Help("Time of a synced write to the store.")
                           .Register(registry_)
                           .Add({}, CommitBuckets())),
      commit_transitions_(BuildHistogram()
                              .Name("rwku_server_commit_batch_size")
                              .Help("Transitions that one synced write took together.")
                              .Register(registry_)
                              .Add({}, BatchBuckets())),
      commit_failures_(OneCounter(registry_, "rwku_server_commit_failures_total",
                                  "Writes to the store that were refused or failed.")),
      predictions_stored_(OneCounter(registry_, "rwku_server_predictions_stored_total",
                                     "Predictions written, those of attempts that failed later "
                                     "and repeated ones among them.")) {
  for (const google::protobuf::FileDescriptor* file :
       {v1::CreateRunRequest::descriptor()->file(), v1::Hello::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        const google::protobuf::MethodDescriptor* method = service->method(m);
        AddRpc(absl::StrCat("/", service->full_name(), "/", method->name()),
               absl::StrCat(service->name(), "/", method->name()),
               !method->client_streaming() && !method->server_streaming());
      }
    }
  }
  AddRpc(kOther, kOther, /*unary=*/false);
  BuildGauge()
      .Name("rwku_server_build_info")
      .Help("1; the version of the binary.")
      .Register(registry_)
      .Add({{"version", std::string(net::BinaryVersion())}})
      .Set(1);
  auto& attempts = BuildCounter()
                       .Name("rwku_server_attempts_total")
                       .Help("Attempts that ended, by outcome.")
                       .Register(registry_);
  for (const AttemptOutcome outcome : AllOutcomes()) {
    attempts_[outcome] = &attempts.Add({{"outcome", std::string(OutcomeName(outcome))}});
  }
  for (const methods::MethodInfo& method : methods::ListMethods("llama")) {
    targets_by_method_[method.name] = &targets_done_.Add({{"method", method.name}});
  }
  targets_by_method_[kOther] = &targets_done_.Add({{"method", kOther}});
}

ServerMetrics::~ServerMetrics() = default;

std::vector<prometheus::MetricFamily> ServerMetrics::Collect() const { return registry_.Collect(); }

void ServerMetrics::AddRpc(const std::string& method, const std::string& label, bool unary) {
  Rpc rpc;
  rpc.unary = unary;
  rpc.started = &rpc_started_.Add({{"rpc", label}});
  rpc.in_flight = &rpc_in_flight_.Add({{"rpc", label}});
  rpc.duration = unary ? &rpc_duration_.Add({{"rpc", label}}, RpcBuckets()) : nullptr;
  rpc_handled_.Add({{"rpc", label}, {"code", "OK"}});
  rpcs_.emplace(method, std::make_pair(label, rpc));
}

const ServerMetrics::Rpc& ServerMetrics::Find(const std::string& method, std::string* label) const {
  auto found = rpcs_.find(method);
  if (found == rpcs_.end()) {
    found = rpcs_.find(kOther);
  }
  *label = found->second.first;
  return found->second.second;
}

void ServerMetrics::OnStarted(const std::string& method) {
  std::string label;
  const Rpc& rpc = Find(method, &label);
  rpc.started->Increment();
  rpc.in_flight->Increment();
}

void ServerMetrics::OnEnded(const std::string& method, grpc::StatusCode code,
                            absl::Duration duration) {
  std::string label;
  const Rpc& rpc = Find(method, &label);
  rpc.in_flight->Decrement();
  rpc_handled_.Add({{"rpc", label}, {"code", CodeName(code)}}).Increment();
  if (rpc.duration != nullptr) {
    rpc.duration->Observe(absl::ToDoubleSeconds(duration));
  }
}

void ServerMetrics::OnLoaded(const scheduler::PersistentState& state) {
  absl::MutexLock lock(&mu_);
  ledger_.Load(state);
}

void ServerMetrics::OnCommit(const std::vector<store::Batch>& batches, const absl::Status& status,
                             absl::Duration duration) {
  commit_duration_.Observe(absl::ToDoubleSeconds(duration));
  if (!status.ok()) {
    commit_failures_.Increment();
    return;
  }
  commit_transitions_.Observe(static_cast<double>(batches.size()));
  absl::MutexLock lock(&mu_);
  for (const store::Batch& batch : batches) {
    for (const scheduler::StateChange& change : batch.changes) {
      CountChange(change);
    }
    for (const store::PredictionChunk& chunk : batch.chunks) {
      predictions_stored_.Increment(static_cast<double>(chunk.predictions.size()));
    }
  }
}

void ServerMetrics::CountChange(const scheduler::StateChange& change) {
  for (const LedgerEntry& entry : ledger_.Apply(change)) {
    leases_granted_.Increment(entry.granted);
    if (entry.granted > 0 && entry.ranks > 1) {
      gangs_formed_.Increment();
    }
    if (!entry.end.has_value()) {
      continue;
    }
    attempts_.at(entry.end->outcome)->Increment();
    if (entry.end->expired) {
      leases_expired_.Increment();
    }
    if (entry.end->outcome == AttemptOutcome::kSucceeded) {
      CountTargets(std::get<scheduler::PutJob>(change).job);
    } else if (entry.end->ranks > 1) {
      gangs_broken_.Increment();
    }
  }
}

void ServerMetrics::CountTargets(const scheduler::JobRecord& job) {
  v1::JobSpec spec;
  if (!spec.ParseFromString(job.payload) || spec.has_corpus()) {
    return;  // texts were written, nothing was unlearned
  }
  auto found = targets_by_method_.find(spec.recipe().method());
  if (found == targets_by_method_.end()) {
    found = targets_by_method_.find(kOther);
  }
  found->second->Increment(spec.targets_size() > 0 ? spec.targets_size() : 1);
}

void ServerMetrics::OnLeaseRefused() { leases_refused_.Increment(); }

}  // namespace rwku::metrics
