// Recipes between the wire and benchmark/methods.
#pragma once

#include "absl/status/statusor.h"
#include "rwku/v1/recipe.pb.h"

#include "benchmark/methods/recipe.h"
#include "benchmark/methods/resolve.h"

namespace rwku::service {

// INVALID_ARGUMENT, with the field in its violations (net/status.h), for a value of an enumeration
// that this version does not know.
absl::StatusOr<methods::RecipeRequest> FromProto(const v1::Recipe& recipe);

// Every field set.
v1::Recipe ToProto(const methods::Recipe& recipe);

}  // namespace rwku::service
