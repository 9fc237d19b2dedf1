// Early return on absl::Status errors. Recoverable errors are Status, broken invariants RWKU_CHECK.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function unless it is OK.
#define RWKU_RETURN_IF_ERROR(expr)                                \
  do {                                                            \
    if (absl::Status rwku_status_ = (expr); !rwku_status_.ok()) { \
      return rwku_status_;                                        \
    }                                                             \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): `lhs` may be a declaration.
#define RWKU_STATUS_CONCAT_INNER(a, b) a##b
#define RWKU_STATUS_CONCAT(a, b) RWKU_STATUS_CONCAT_INNER(a, b)
#define RWKU_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr) \
  auto statusor = (expr);                               \
  if (!statusor.ok()) {                                 \
    return std::move(statusor).status();                \
  }                                                     \
  lhs = std::move(statusor).value()

// Assigns the value of the StatusOr `expr` to `lhs` (a declaration or an lvalue), or returns its
// error.
#define RWKU_ASSIGN_OR_RETURN(lhs, expr) \
  RWKU_ASSIGN_OR_RETURN_IMPL(RWKU_STATUS_CONCAT(rwku_statusor_, __LINE__), lhs, expr)
// NOLINTEND(bugprone-macro-parentheses)
