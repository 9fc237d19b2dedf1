// What is known about a method: what it is, what it trains on and with which settings.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/methods/recipe.h"

namespace rwku::methods {

// What training minimises.
enum class Objective {
  kNone,            // nothing trains
  kGradientAscent,  // minus the causal language modelling loss
  kNpo,             // negative preference optimisation
};

struct MethodInfo {
  std::string name;
  std::string summary;  // one line
  std::string formula;  // plain text, with its source
  std::string corpus;   // kind of corpus that it trains on, e.g. "positive"; empty = none
  Objective objective = Objective::kNone;
  bool uses_icu_prefix = false;  // every prompt and membership text gets protocol::IcuPrefix
  bool uses_beta = false;
  // The published recipe of each tuning that the method has, the default one first. All settings
  // are filled in; `label` is empty.
  std::vector<Recipe> defaults;
};

// "none", "full", "lora".
absl::string_view TuningName(Tuning tuning);

// The default recipe of `tuning`, or nullptr where the method has none.
const Recipe* FindDefault(const MethodInfo& method, Tuning tuning);

}  // namespace rwku::methods
