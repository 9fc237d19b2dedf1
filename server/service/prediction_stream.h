// StreamPredictions: everything that matches, one write in flight, read from the store as the
// client takes it.
#pragma once

#include "rwku/v1/unlearning.grpc.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/service/work_pool.h"
#include "server/store/store.h"

namespace rwku::service {

// Starts a stream that owns itself. `coordinator`, `store` and `pool`, which reads, outlive it.
grpc::ServerWriteReactor<v1::Prediction>* StartPredictionStream(
    grpc::CallbackServerContext* context, const v1::StreamPredictionsRequest& request,
    coordinator::Coordinator* coordinator, store::Store* store, WorkPool* pool);

}  // namespace rwku::service
