#include "server/auth/rules.h"

#include <algorithm>
#include <array>

namespace rwku::auth {
namespace {

constexpr std::array kRules = {
    Rule{"/rwku.v1.UnlearningService/CreateRun", Access::kSubmitter, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/CancelRun", Access::kSubmitter, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/DeleteRun", Access::kSubmitter, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/RetryJob", Access::kSubmitter, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/RescoreRun", Access::kSubmitter, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/DrainWorker", Access::kAdmin, /*changes=*/true},
    Rule{"/rwku.v1.UnlearningService/GetRun", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListRuns", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/WatchRun", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListJobs", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/GetJob", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/GetReport", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/CompareRuns", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListPredictions", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/StreamPredictions", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListTargets", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListModels", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListDatasets", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListMethods", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/ListWorkers", Access::kViewer},
    Rule{"/rwku.v1.UnlearningService/GetServerInfo", Access::kViewer},
    Rule{"/rwku.v1.WorkerService/Connect", Access::kWorker, /*changes=*/true},
    Rule{"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::kViewer},
    Rule{"/grpc.health.v1.Health/Check", Access::kOpen},
    Rule{"/grpc.health.v1.Health/Watch", Access::kOpen},
};

}  // namespace

absl::Span<const Rule> Rules() { return kRules; }

const Rule* FindRule(absl::string_view method) {
  const auto* const found = std::find_if(
      kRules.begin(), kRules.end(), [method](const Rule& rule) { return rule.method == method; });
  return found == kRules.end() ? nullptr : found;
}

bool Allows(Access access, net::Role role) {
  switch (access) {
    case Access::kOpen:
      return true;
    case Access::kViewer:
      return role == net::Role::kViewer || role == net::Role::kSubmitter ||
             role == net::Role::kAdmin;
    case Access::kSubmitter:
      return role == net::Role::kSubmitter || role == net::Role::kAdmin;
    case Access::kAdmin:
      return role == net::Role::kAdmin;
    case Access::kWorker:
      return role == net::Role::kWorker;
  }
  return false;
}

absl::string_view RolesFor(Access access) {
  switch (access) {
    case Access::kOpen:
      return "none";
    case Access::kViewer:
      return "viewer, submitter or admin";
    case Access::kSubmitter:
      return "submitter or admin";
    case Access::kAdmin:
      return "admin";
    case Access::kWorker:
      return "worker";
  }
  return "none";
}

}  // namespace rwku::auth
