// RWKU_CHECK: aborts on a broken invariant. Never for bad input, which is an absl::Status.
#pragma once

namespace rwku {

// Prints "file:line: check failed: condition" to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace rwku

#define RWKU_CHECK(condition)                              \
  do {                                                     \
    if (!(condition)) {                                    \
      ::rwku::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                      \
  } while (false)
