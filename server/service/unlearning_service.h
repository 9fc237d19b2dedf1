// UnlearningService on the callback API. Thin: a method parses its request, asks the coordinator,
// the store or the catalog, and writes the answer.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rwku/v1/unlearning.grpc.pb.h"

#include "base/clock.h"
#include "server/coordinator/coordinator.h"
#include "server/service/catalog.h"
#include "server/service/work_pool.h"
#include "server/store/store.h"

namespace rwku::service {

struct UnlearningServiceOptions {
  uint32_t schema_version = 0;  // of the store; 0 = it has none
  int threads = 4;              // for calls that read files or many records
  size_t max_queued = 256;      // such calls that may wait
};

// Thread-safe. What it is given outlives it, and it outlives every call.
class UnlearningService final : public v1::UnlearningService::CallbackService {
 public:
  UnlearningService(const UnlearningServiceOptions& options, coordinator::Coordinator* coordinator,
                    store::Store* store, const Catalog* catalog, const Clock* clock);

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* CreateRun(Context* context, const v1::CreateRunRequest* request,
                     v1::Run* response) override;
  Reactor* GetRun(Context* context, const v1::GetRunRequest* request, v1::Run* response) override;
  Reactor* ListRuns(Context* context, const v1::ListRunsRequest* request,
                    v1::ListRunsResponse* response) override;
  Reactor* CancelRun(Context* context, const v1::CancelRunRequest* request,
                     v1::Run* response) override;
  Reactor* DeleteRun(Context* context, const v1::DeleteRunRequest* request,
                     v1::DeleteRunResponse* response) override;
  grpc::ServerWriteReactor<v1::RunEvent>* WatchRun(Context* context,
                                                   const v1::WatchRunRequest* request) override;
  Reactor* ListJobs(Context* context, const v1::ListJobsRequest* request,
                    v1::ListJobsResponse* response) override;
  Reactor* GetJob(Context* context, const v1::GetJobRequest* request, v1::Job* response) override;
  Reactor* RetryJob(Context* context, const v1::RetryJobRequest* request,
                    v1::Job* response) override;
  Reactor* GetReport(Context* context, const v1::GetReportRequest* request,
                     v1::GetReportResponse* response) override;
  Reactor* CompareRuns(Context* context, const v1::CompareRunsRequest* request,
                       v1::CompareRunsResponse* response) override;
  Reactor* RescoreRun(Context* context, const v1::RescoreRunRequest* request,
                      v1::RescoreRunResponse* response) override;
  Reactor* ListPredictions(Context* context, const v1::ListPredictionsRequest* request,
                           v1::ListPredictionsResponse* response) override;
  grpc::ServerWriteReactor<v1::Prediction>* StreamPredictions(
      Context* context, const v1::StreamPredictionsRequest* request) override;
  Reactor* ListTargets(Context* context, const v1::ListTargetsRequest* request,
                       v1::ListTargetsResponse* response) override;
  Reactor* ListModels(Context* context, const v1::ListModelsRequest* request,
                      v1::ListModelsResponse* response) override;
  Reactor* ListDatasets(Context* context, const v1::ListDatasetsRequest* request,
                        v1::ListDatasetsResponse* response) override;
  Reactor* ListMethods(Context* context, const v1::ListMethodsRequest* request,
                       v1::ListMethodsResponse* response) override;
  Reactor* ListWorkers(Context* context, const v1::ListWorkersRequest* request,
                       v1::ListWorkersResponse* response) override;
  Reactor* DrainWorker(Context* context, const v1::DrainWorkerRequest* request,
                       v1::Worker* response) override;
  Reactor* GetServerInfo(Context* context, const v1::GetServerInfoRequest* request,
                         v1::ServerInfo* response) override;

 private:
  // Answers with what `read` writes or returns; it runs under the coordinator's mutex.
  Reactor* Answer(Context* context, std::function<absl::Status(const coordinator::View&)> read);
  void AnswerOn(Context* context, Reactor* reactor,
                std::function<absl::Status(const coordinator::View&)> read);
  // Plans the run, which reads files, and has it stored; finishes the reactor.
  void SubmitRun(Context* context, Reactor* reactor, const v1::CreateRunRequest& request,
                 v1::Run* response);
  // Runs what `copy` returns on the pool; it finishes the reactor. `copy` runs under the
  // coordinator's mutex, so it only copies.
  void ReadOnPool(
      Context* context, Reactor* reactor,
      std::function<absl::StatusOr<std::function<void()>>(const coordinator::View&)> copy);
  // Runs `work` on the pool; it finishes the reactor.
  Reactor* OnPool(Context* context, std::function<void(Reactor*)> work);

  const uint32_t schema_version_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  const Catalog* const catalog_;
  const Clock* const clock_;
  const absl::Duration start_;
  WorkPool pool_;
};

}  // namespace rwku::service
