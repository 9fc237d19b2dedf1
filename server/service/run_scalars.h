// The fields of a run that are the same for every kind of run.
#pragma once

#include <cstdint>
#include <vector>

#include "rwku/v1/unlearning.pb.h"

#include "net/status.h"

namespace rwku::service {

inline constexpr uint64_t kDefaultSeed = 42;

// Checks request_id, display_name, priority, max_failures and data parallelism of the request, adds
// a violation for each problem, and fills their defaults into `spec`.
void CheckRunScalars(const v1::CreateRunRequest& request, v1::RunSpec* spec,
                     std::vector<net::FieldError>* errors);

}  // namespace rwku::service
