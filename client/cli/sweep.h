// Sweeps: one recipe for every combination of some keys' values.
//
//   --method npo --method original --sweep lr=1e-7,3e-7 --sweep beta=0.1,0.2
//
// is npo four times, as "npo lr=1e-07 beta=0.1" and so on, and original once.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/unlearning.pb.h"

#include "client/cli/recipe_syntax.h"

namespace rwku::cli {

struct Sweep {
  RecipeKey key;
  std::vector<std::string> values;  // at least one, each once
};

// "KEY=VALUE,VALUE...", with the keys and values of ParseRecipe. INVALID_ARGUMENT names the sweep
// and what is wrong with it; `label` cannot be swept.
absl::StatusOr<Sweep> ParseSweep(absl::string_view text);

// The recipes of `methods` (the texts of ParseRecipe), each once for every combination of the
// values that its method reads, as `known` says; the last sweep changes fastest. A swept recipe is
// labelled with its name and the values: "ga-lora lr=1e-05". Recipes of methods that read none of
// the keys, such as original and icu, stay as they are. INVALID_ARGUMENT for a key that is swept
// twice, that a recipe sets itself, or that no recipe reads.
absl::StatusOr<std::vector<v1::Recipe>> ExpandSweeps(const std::vector<std::string>& methods,
                                                     const std::vector<Sweep>& sweeps,
                                                     const std::vector<v1::Method>& known);

}  // namespace rwku::cli
