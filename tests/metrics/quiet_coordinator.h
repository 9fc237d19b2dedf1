// A coordinator without a network, for tests of what its state says.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

#include "server/coordinator/coordinator.h"

namespace rwku::metrics {

// A worker's session that takes what it is told and says nothing.
class QuietSession final : public coordinator::WorkerSession {
 public:
  void Send(coordinator::SessionMessage /*message*/) override {}
  void Close(absl::Status /*status*/) override {}
};

// Waits until everything that was asked is in the store.
inline void Await(coordinator::Coordinator& coordinator) {
  absl::Notification settled;
  coordinator.Read(
      [&settled](const coordinator::View& /*view*/) -> std::function<void()> {
        return [&settled] { settled.Notify(); };
      },
      [&settled](const absl::Status& status) {
        ADD_FAILURE() << status;
        settled.Notify();
      });
  settled.WaitForNotification();
}

}  // namespace rwku::metrics
