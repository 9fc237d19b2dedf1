#include "benchmark/methods/registry.h"

#include <string>
#include <utility>

#include "absl/status/status.h"

#include "base/check.h"
#include "base/near_match.h"
#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

absl::string_view TuningName(Tuning tuning) {
  switch (tuning) {
    case Tuning::kNone:
      return "none";
    case Tuning::kFull:
      return "full";
    case Tuning::kLora:
      return "lora";
    case Tuning::kPartial:
      return "partial";
  }
  CheckFailed(__FILE__, __LINE__, "a value of Tuning");
}

const Recipe* FindDefault(const MethodInfo& method, Tuning tuning) {
  for (const Recipe& recipe : method.defaults) {
    if (recipe.tuning == tuning) {
      return &recipe;
    }
  }
  return nullptr;
}

const std::vector<std::string>& Families() {
  static const auto* const families = new std::vector<std::string>{"llama"};
  return *families;
}

std::vector<MethodInfo> ListMethods(absl::string_view family) {
  return {OriginalMethod(family), IcuMethod(family), GaMethod(family), NpoMethod(family)};
}

absl::StatusOr<MethodInfo> FindMethod(absl::string_view name, absl::string_view family) {
  std::vector<std::string> known;
  for (MethodInfo& method : ListMethods(family)) {
    if (method.name == name) {
      return std::move(method);
    }
    known.push_back(method.name);
  }
  return absl::InvalidArgumentError(UnknownNameMessage("method", name, known));
}

}  // namespace rwku::methods
