// A thread of its own for a gang's calls to its store. Such a call blocks for as long as the other
// side likes; whoever makes one here waits with a limit and can walk away.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rwku::engine {

class StoreThread {
 public:
  StoreThread();
  // Joins the thread, unless a call on it blocks: then the thread ends with that call, whose
  // function owns all that it touches.
  ~StoreThread();
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // `idle` runs every `interval` from now on, between calls.
  void SetIdle(std::function<void()> idle, absl::Duration interval);

  // Runs `idle` soon.
  void Wake();

  // Runs `call` and returns what it returns. It may outlive this function and so must own what it
  // uses. An exception becomes UNAVAILABLE with its first line; UNAVAILABLE names `operation` where
  // it takes longer than `limit`; and what `interrupt` returns comes back as soon as it is an
  // error.
  template <typename T>
  absl::StatusOr<T> Call(absl::string_view operation, absl::Duration limit,
                         const std::function<absl::Status()>& interrupt, std::function<T()> call) {
    const auto result = std::make_shared<std::optional<T>>();
    absl::Status status =
        Run(operation, limit, interrupt, [result, call = std::move(call)] { *result = call(); });
    if (!status.ok()) {
      return status;
    }
    return *std::move(*result);
  }

 private:
  struct Task;
  struct State;

  absl::Status Run(absl::string_view operation, absl::Duration limit,
                   const std::function<absl::Status()>& interrupt, std::function<void()> call);
  static void Loop(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
};

}  // namespace rwku::engine
