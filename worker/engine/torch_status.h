// The one place where torch's exceptions become statuses. Every entry into the engine from outside
// runs its torch code inside CatchTorch; nothing throws beyond it.
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rwku::engine {

// A status that has to pass through torch's own code, which knows exceptions alone.
class StatusError final : public std::exception {
 public:
  explicit StatusError(absl::Status status)  // not OK
      : status_(std::move(status)), what_(status_.ToString()) {}
  const char* what() const noexcept override { return what_.c_str(); }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
  std::string what_;
};

// The status of the exception being handled: that of a StatusError; RESOURCE_EXHAUSTED when memory
// ran out (host or device); DeviceLostError() where an accelerator failed in a way that leaves its
// context useless; UNAVAILABLE when c10d lost a rank; INTERNAL otherwise; with the first line of
// the message. Call inside a catch block only.
absl::Status StatusOfCurrentException();

namespace internal {
template <typename T>
struct CaughtResult {
  using Type = absl::StatusOr<T>;
};
template <typename T>
struct CaughtResult<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};
template <>
struct CaughtResult<absl::Status> {
  using Type = absl::Status;
};
template <>
struct CaughtResult<void> {
  using Type = absl::Status;
};
}  // namespace internal

// Runs `fn` and returns what it returns, as a Status (for void and Status) or StatusOr (for T and
// StatusOr<T>); an exception becomes StatusOfCurrentException().
template <typename Fn>
auto CatchTorch(Fn&& fn) ->
    typename internal::CaughtResult<std::decay_t<std::invoke_result_t<Fn>>>::Type {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Fn>>) {
      std::forward<Fn>(fn)();
      return absl::OkStatus();
    } else {
      return std::forward<Fn>(fn)();
    }
  } catch (...) {
    return StatusOfCurrentException();
  }
}

}  // namespace rwku::engine
