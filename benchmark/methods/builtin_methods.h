// The methods, one file each: MethodInfo <Name>Method(family). Published settings may differ by the
// model's family ("llama", "phi3", ...). docs/methods.md shows how to add one.
#pragma once

#include "absl/strings/string_view.h"

#include "benchmark/methods/method_info.h"

// The explicit list, in the order of the paper's table, then of those beyond it.
#define RWKU_METHODS(METHOD) \
  METHOD(Original)           \
  METHOD(Icu)                \
  METHOD(RepE)               \
  METHOD(GaPassage)          \
  METHOD(Ga)                 \
  METHOD(Dpo)                \
  METHOD(Npo)                \
  METHOD(Rt)                 \
  METHOD(Memorize)           \
  METHOD(GradDiff)           \
  METHOD(Kl)                 \
  METHOD(SimNpo)             \
  METHOD(Rmu)                \
  METHOD(Undial)             \
  METHOD(Wga)                \
  METHOD(SatImp)             \
  METHOD(Ceu)

namespace rwku::methods {

#define RWKU_DECLARE_METHOD(Name) MethodInfo Name##Method(absl::string_view family);
RWKU_METHODS(RWKU_DECLARE_METHOD)
#undef RWKU_DECLARE_METHOD

}  // namespace rwku::methods
