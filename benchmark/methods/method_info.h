// What is known about a method: what it is, what it trains on and with which settings.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "benchmark/methods/recipe.h"

namespace rwku::methods {

// What training minimises. The formulas stand with the methods and in worker/engine/engine.h.
enum class Objective {
  kNone,  // nothing trains
  kCausalLm,
  kGradientAscent,
  kNpo,
  kDpo,
  kSimNpo,
  kRmu,
  kUndial,
  kWga,
  kSatImp,
  kCeu,
};

// Settings that only some methods read. One that a method does not read is refused, not ignored.
struct ReadSettings {
  bool beta = false;
  bool beta2 = false;
  bool margin = false;
  bool strength = false;
  bool layer = false;
  bool retain = false;  // and forget_weight
};

struct MethodInfo {
  std::string name;
  std::string summary;  // one line
  std::string formula;  // plain text, with its source
  std::string corpus;   // kind of corpus that it trains on, e.g. "positive"; empty = none
  Objective objective = Objective::kNone;
  bool uses_icu_prefix = false;  // every prompt and membership text gets protocol::IcuPrefix
  bool steers = false;           // a control vector instead of a training
  ReadSettings reads;
  // The published recipe of each tuning that the method has, the default one first. All settings
  // are filled in; `label` is empty.
  std::vector<Recipe> defaults;
  // Where it is published apart: for batches of targets at once. A tuning that is not here has the
  // recipe of `defaults`.
  std::vector<Recipe> batch_defaults;
};

// "none", "full", "lora", "partial".
absl::string_view TuningName(Tuning tuning);

// "none", "nll", "kl", "hidden".
absl::string_view RetainTermName(RetainTerm term);

// The default recipe of `tuning`, or nullptr where the method has none. `batch`: for a job of
// several targets at once.
const Recipe* FindDefault(const MethodInfo& method, Tuning tuning, bool batch = false);

}  // namespace rwku::methods
