// WorkerService on the callback API: one reactor a stream, between the worker's messages and the
// coordinator's calls.
#pragma once

#include "absl/time/time.h"
#include "rwku/v1/worker.grpc.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/store/store.h"

namespace rwku::service {

struct WorkerServiceOptions {
  absl::Duration heartbeat_interval = absl::Seconds(3);
  absl::Duration lease_duration = absl::Seconds(15);
};

// Thread-safe. `coordinator` and `store` outlive the service, and the service every stream.
class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  WorkerService(WorkerServiceOptions options, coordinator::Coordinator* coordinator,
                store::Store* store)
      : options_(options), coordinator_(coordinator), store_(store) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  const WorkerServiceOptions options_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
};

}  // namespace rwku::service
