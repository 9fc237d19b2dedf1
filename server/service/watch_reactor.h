// WatchRun: the changes of a run from the store, then live, each once and in order.
#pragma once

#include "rwku/v1/unlearning.grpc.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/service/work_pool.h"
#include "server/store/store.h"

namespace rwku::service {

// Starts a stream that owns itself. `coordinator`, `store` and `pool`, which reads what is stored
// already, outlive it.
grpc::ServerWriteReactor<v1::RunEvent>* StartWatch(grpc::CallbackServerContext* context,
                                                   const v1::WatchRunRequest& request,
                                                   coordinator::Coordinator* coordinator,
                                                   store::Store* store, WorkPool* pool);

}  // namespace rwku::service
