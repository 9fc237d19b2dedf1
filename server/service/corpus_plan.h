// Runs that write corpora: every field checked, every default filled in, one job a target.
#pragma once

#include "absl/status/statusor.h"
#include "rwku/v1/unlearning.pb.h"

#include "server/service/catalog.h"
#include "server/service/run_plan.h"

namespace rwku::service {

// Of a request whose spec has `corpus`. INVALID_ARGUMENT with one violation a problem, all of them
// at once. Reads files.
absl::StatusOr<RunPlan> PlanCorpusRun(const v1::CreateRunRequest& request, const Catalog& catalog);

// FAILED_PRECONDITION for a run that writes corpora, which has nothing to `what` ("report").
absl::Status RefuseCorpusRun(const v1::RunSpec& spec, const RunId& run, absl::string_view what);

}  // namespace rwku::service
