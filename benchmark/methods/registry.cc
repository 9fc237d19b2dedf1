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

absl::string_view RetainTermName(RetainTerm term) {
  switch (term) {
    case RetainTerm::kNone:
      return "none";
    case RetainTerm::kNll:
      return "nll";
    case RetainTerm::kKl:
      return "kl";
    case RetainTerm::kHidden:
      return "hidden";
  }
  CheckFailed(__FILE__, __LINE__, "a value of RetainTerm");
}

const Recipe* FindDefault(const MethodInfo& method, Tuning tuning, bool batch) {
  for (const auto* const recipes : {&method.batch_defaults, &method.defaults}) {
    if (recipes == &method.batch_defaults && !batch) {
      continue;
    }
    for (const Recipe& recipe : *recipes) {
      if (recipe.tuning == tuning) {
        return &recipe;
      }
    }
  }
  return nullptr;
}

std::vector<MethodInfo> ListMethods(absl::string_view family) {
  return {
#define RWKU_DESCRIBE_METHOD(Name) Name##Method(family),
      RWKU_METHODS(RWKU_DESCRIBE_METHOD)
#undef RWKU_DESCRIBE_METHOD
  };
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
