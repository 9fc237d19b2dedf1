// From what a client asks for to a run with its jobs: every field checked, every default filled in.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "server/scheduler/types.h"
#include "server/service/catalog.h"

namespace rwku::service {

struct RunPlan {
  v1::RunSpec spec;  // complete
  scheduler::RunRecord run;
  // One a (recipe, seed, target), nested in this order: a run that is looked at early has whole
  // rows of the table rather than one target under every recipe.
  std::vector<scheduler::JobRecord> jobs;
};

// INVALID_ARGUMENT with one violation a problem, all of them at once. Reads files.
absl::StatusOr<RunPlan> PlanRun(const v1::CreateRunRequest& request, const Catalog& catalog);

// What tells a repeated request from another one under the same request id.
std::string RequestDigest(const v1::CreateRunRequest& request);

// Makes plan->run of the request and the complete plan->spec.
void FillRun(const v1::CreateRunRequest& request, RunPlan* plan);

// Adds `job` to plan->jobs, as the next index.
void AddJob(const v1::JobSpec& job, RunPlan* plan);

// The probe sets that this version evaluates, by name.
std::vector<std::string> EvaluatedProbeSets();

}  // namespace rwku::service
