#include "server/service/unlearning_service.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "net/protocol_version.h"
#include "net/status.h"
#include "server/service/convert.h"
#include "server/service/finish.h"
#include "server/service/names.h"
#include "server/service/page.h"
#include "server/service/run_plan.h"
#include "server/service/watch_reactor.h"

namespace rwku::service {
namespace {

constexpr int kRunsPage = 50;
constexpr int kJobsPage = 100;

absl::Status PutRun(const coordinator::View& view, const RunId& id, v1::Run* response) {
  const scheduler::RunRecord* run = view.scheduler.FindRun(id);
  if (run == nullptr) {
    return RunNotFound(id);
  }
  *response = RunOfView(view, *run);
  return absl::OkStatus();
}

absl::Status PutJob(const coordinator::View& view, const JobId& id, v1::Job* response) {
  const scheduler::JobRecord* job = view.scheduler.FindJob(id);
  if (job == nullptr) {
    return JobNotFound(id);
  }
  *response = ToProto(*job);
  return absl::OkStatus();
}

// Every worker that the scheduler or the coordinator knows, by name.
std::vector<v1::Worker> Workers(const coordinator::View& view) {
  std::map<WorkerId, scheduler::WorkerView> workers;
  for (const auto& [id, info] : view.workers) {
    scheduler::WorkerView worker;
    worker.id = id;
    worker.connected = info.session != nullptr;
    worker.draining = info.draining || info.drain_asked;
    worker.resident_models = info.resident_models;
    worker.leases = info.leases;
    workers.emplace(id, std::move(worker));
  }
  for (scheduler::WorkerView& worker : view.scheduler.Workers()) {
    // A frozen coordinator's scheduler has heard of no worker yet.
    if (!worker.incarnation.empty() || !view.workers.contains(worker.id)) {
      const WorkerId id = worker.id;
      workers[id] = std::move(worker);
    }
  }
  std::vector<v1::Worker> protos;
  for (const auto& [id, worker] : workers) {
    const auto info = view.workers.find(id);
    protos.push_back(ToProto(worker, info == view.workers.end() ? nullptr : &info->second));
  }
  return protos;
}

}  // namespace

UnlearningService::UnlearningService(const UnlearningServiceOptions& options,
                                     coordinator::Coordinator* coordinator, store::Store* store,
                                     const Catalog* catalog, const Clock* clock)
    : schema_version_(options.schema_version),
      coordinator_(coordinator),
      store_(store),
      catalog_(catalog),
      clock_(clock),
      start_(clock->Monotonic()),
      pool_(options.threads, options.max_queued) {}

void UnlearningService::AnswerOn(Context* context, Reactor* reactor,
                                 std::function<absl::Status(const coordinator::View&)> read) {
  coordinator_->Read(
      [context, reactor,
       read = std::move(read)](const coordinator::View& view) -> std::function<void()> {
        const absl::Status status = read(view);
        return [context, reactor, status] { FinishWith(context, reactor, status); };
      },
      [context, reactor](const absl::Status& status) { FinishWith(context, reactor, status); });
}

UnlearningService::Reactor* UnlearningService::Answer(
    Context* context, std::function<absl::Status(const coordinator::View&)> read) {
  Reactor* reactor = context->DefaultReactor();
  AnswerOn(context, reactor, std::move(read));
  return reactor;
}

UnlearningService::Reactor* UnlearningService::OnPool(Context* context,
                                                      std::function<void(Reactor*)> work) {
  Reactor* reactor = context->DefaultReactor();
  const absl::Status queued = pool_.Run([reactor, work = std::move(work)] { work(reactor); });
  if (!queued.ok()) {
    FinishWith(context, reactor, queued);
  }
  return reactor;
}

// --- Runs. ---

UnlearningService::Reactor* UnlearningService::CreateRun(Context* context,
                                                         const v1::CreateRunRequest* request,
                                                         v1::Run* response) {
  Reactor* reactor = context->DefaultReactor();
  // A request that was answered before is answered from the store: models and datasets may have
  // moved since.
  ReadOnPool(
      context, reactor,
      [this, context, reactor, request, response, digest = RequestDigest(*request)](
          const coordinator::View& view) -> absl::StatusOr<std::function<void()>> {
        const std::string& id = request->request_id();
        const scheduler::RunRecord* known =
            id.empty() ? nullptr : view.scheduler.FindRunByRequestId(id);
        if (known != nullptr && known->request_digest == digest && !request->validate_only()) {
          *response = RunOfView(view, *known);
          return [context, reactor] { FinishWith(context, reactor, absl::OkStatus()); };
        }
        return [this, context, reactor, request, response] {
          SubmitRun(context, reactor, *request, response);
        };
      });
  return reactor;
}

void UnlearningService::SubmitRun(Context* context, Reactor* reactor,
                                  const v1::CreateRunRequest& request, v1::Run* response) {
  // It may have waited for long: nobody wants a run any more that nobody will hear of.
  const auto abandoned = [context, reactor] {
    if (!context->IsCancelled()) {
      return false;
    }
    FinishWith(context, reactor, absl::CancelledError("the caller is gone; no run was made"));
    return true;
  };
  if (abandoned()) {
    return;
  }
  absl::StatusOr<RunPlan> plan = PlanRun(request, *catalog_);
  if (!plan.ok()) {
    FinishWith(context, reactor, plan.status());
    return;
  }
  if (request.validate_only()) {
    *response->mutable_spec() = plan->spec;
    response->set_state(v1::RUN_STATE_RUNNING);
    response->mutable_jobs()->set_queued(static_cast<int>(plan->jobs.size()));
    FinishWith(context, reactor, absl::OkStatus());
    return;
  }
  if (abandoned()) {
    return;
  }
  coordinator_->SubmitRun(std::move(plan->run), std::move(plan->jobs),
                          [this, context, reactor, response](const absl::StatusOr<RunId>& run) {
                            if (!run.ok()) {
                              FinishWith(context, reactor, run.status());
                              return;
                            }
                            AnswerOn(context, reactor,
                                     [id = *run, response](const coordinator::View& view) {
                                       return PutRun(view, id, response);
                                     });
                          });
}

UnlearningService::Reactor* UnlearningService::GetRun(Context* context,
                                                      const v1::GetRunRequest* request,
                                                      v1::Run* response) {
  const absl::StatusOr<RunId> run = ParseRunName(request->name(), "name");
  if (!run.ok()) {
    return Refuse(context, run.status());
  }
  return Answer(context, [id = *run, response](const coordinator::View& view) {
    return PutRun(view, id, response);
  });
}

UnlearningService::Reactor* UnlearningService::ListRuns(Context* context,
                                                        const v1::ListRunsRequest* request,
                                                        v1::ListRunsResponse* response) {
  const absl::StatusOr<size_t> size = PageSize(request->page_size(), kRunsPage);
  const auto start = ParsePageToken(request->page_token(), "runs", 1);
  if (!size.ok() || !start.ok()) {
    return Refuse(context, size.ok() ? start.status() : size.status());
  }
  return Answer(context,
                [size = *size, before = start->front(), response](const coordinator::View& view) {
                  response->Clear();
                  size_t bytes = 0;
                  uint64_t last = 0;
                  view.scheduler.VisitRuns(before, [&](const scheduler::RunRecord& run) {
                    if (static_cast<size_t>(response->runs_size()) == size || bytes > kPageBytes) {
                      response->set_next_page_token(MakePageToken("runs", {last}));
                      return false;
                    }
                    *response->add_runs() = RunOfView(view, run);
                    bytes += response->runs().rbegin()->ByteSizeLong();
                    last = run.sequence;
                    return true;
                  });
                  return absl::OkStatus();
                });
}

UnlearningService::Reactor* UnlearningService::CancelRun(Context* context,
                                                         const v1::CancelRunRequest* request,
                                                         v1::Run* response) {
  const absl::StatusOr<RunId> run = ParseRunName(request->name(), "name");
  if (!run.ok()) {
    return Refuse(context, run.status());
  }
  Reactor* reactor = context->DefaultReactor();
  coordinator_->Apply(scheduler::RunCancelRequested{*run},
                      [this, context, reactor, id = *run, response](const absl::Status& status) {
                        // FAILED_PRECONDITION: the run is terminal, and is returned as it is.
                        if (!status.ok() && !absl::IsFailedPrecondition(status)) {
                          FinishWith(context, reactor, status);
                          return;
                        }
                        AnswerOn(context, reactor, [id, response](const coordinator::View& view) {
                          return PutRun(view, id, response);
                        });
                      });
  return reactor;
}

UnlearningService::Reactor* UnlearningService::DeleteRun(Context* context,
                                                         const v1::DeleteRunRequest* request,
                                                         v1::DeleteRunResponse* /*response*/) {
  const absl::StatusOr<RunId> run = ParseRunName(request->name(), "name");
  if (!run.ok()) {
    return Refuse(context, run.status());
  }
  Reactor* reactor = context->DefaultReactor();
  coordinator_->Apply(
      scheduler::RunDeleteRequested{*run},
      [context, reactor](const absl::Status& status) { FinishWith(context, reactor, status); });
  return reactor;
}

grpc::ServerWriteReactor<v1::RunEvent>* UnlearningService::WatchRun(
    Context* context, const v1::WatchRunRequest* request) {
  return StartWatch(context, *request, coordinator_, store_, &pool_);
}

// --- Jobs. ---

UnlearningService::Reactor* UnlearningService::ListJobs(Context* context,
                                                        const v1::ListJobsRequest* request,
                                                        v1::ListJobsResponse* response) {
  const absl::StatusOr<RunId> run = ParseRunName(request->parent(), "parent");
  const absl::StatusOr<size_t> size = PageSize(request->page_size(), kJobsPage);
  const std::string scope =
      absl::StrCat("jobs:", request->parent(), ":", absl::StrJoin(request->states(), ","));
  const auto start = ParsePageToken(request->page_token(), scope, 1);
  for (const absl::Status& status : {run.status(), size.status(), start.status()}) {
    if (!status.ok()) {
      return Refuse(context, status);
    }
  }
  std::set<int> states(request->states().begin(), request->states().end());
  return Answer(context, [id = *run, size = *size, first = start->front(), scope,
                          states = std::move(states), response](const coordinator::View& view) {
    response->Clear();
    if (view.scheduler.FindRun(id) == nullptr) {
      return RunNotFound(id);
    }
    size_t bytes = 0;
    view.scheduler.VisitJobs(id, first, [&](const scheduler::JobRecord& job) {
      if (!states.empty() && !states.contains(ToProto(job.state))) {
        return true;
      }
      if (static_cast<size_t>(response->jobs_size()) == size || bytes > kPageBytes) {
        response->set_next_page_token(MakePageToken(scope, {static_cast<uint64_t>(job.index)}));
        return false;
      }
      *response->add_jobs() = ToProto(job);
      bytes += response->jobs().rbegin()->ByteSizeLong();
      return true;
    });
    return absl::OkStatus();
  });
}

UnlearningService::Reactor* UnlearningService::GetJob(Context* context,
                                                      const v1::GetJobRequest* request,
                                                      v1::Job* response) {
  const absl::StatusOr<JobId> job = ParseJobName(request->name(), "name");
  if (!job.ok()) {
    return Refuse(context, job.status());
  }
  return Answer(context, [id = *job, response](const coordinator::View& view) {
    return PutJob(view, id, response);
  });
}

UnlearningService::Reactor* UnlearningService::RetryJob(Context* context,
                                                        const v1::RetryJobRequest* request,
                                                        v1::Job* response) {
  const absl::StatusOr<JobId> job = ParseJobName(request->name(), "name");
  if (!job.ok()) {
    return Refuse(context, job.status());
  }
  Reactor* reactor = context->DefaultReactor();
  coordinator_->Apply(scheduler::JobRetryRequested{*job},
                      [this, context, reactor, id = *job, response](const absl::Status& status) {
                        if (!status.ok()) {
                          FinishWith(context, reactor, status);
                          return;
                        }
                        AnswerOn(context, reactor, [id, response](const coordinator::View& view) {
                          return PutJob(view, id, response);
                        });
                      });
  return reactor;
}

// --- Workers and the server. ---

UnlearningService::Reactor* UnlearningService::ListWorkers(
    Context* context, const v1::ListWorkersRequest* /*request*/,
    v1::ListWorkersResponse* response) {
  return Answer(context, [response](const coordinator::View& view) {
    response->Clear();
    for (v1::Worker& worker : Workers(view)) {
      *response->add_workers() = std::move(worker);
    }
    return absl::OkStatus();
  });
}

UnlearningService::Reactor* UnlearningService::DrainWorker(Context* context,
                                                           const v1::DrainWorkerRequest* request,
                                                           v1::Worker* response) {
  const absl::StatusOr<WorkerId> worker = ParseWorkerName(request->name(), "name");
  if (!worker.ok()) {
    return Refuse(context, worker.status());
  }
  Reactor* reactor = context->DefaultReactor();
  coordinator_->Apply(
      scheduler::WorkerDraining{*worker, {}},
      [this, context, reactor, name = request->name(), response](const absl::Status& status) {
        if (!status.ok()) {
          FinishWith(context, reactor, status);
          return;
        }
        AnswerOn(context, reactor, [name, response](const coordinator::View& view) {
          for (const v1::Worker& found : Workers(view)) {
            if (found.name() == name) {
              *response = found;
              return absl::OkStatus();
            }
          }
          return absl::NotFoundError(absl::StrCat("there is no worker \"", name, "\""));
        });
      });
  return reactor;
}

UnlearningService::Reactor* UnlearningService::GetServerInfo(
    Context* context, const v1::GetServerInfoRequest* /*request*/, v1::ServerInfo* response) {
  return Answer(context, [this, response](const coordinator::View& view) {
    response->set_version(std::string(net::BinaryVersion()));
    response->set_protocol_version(net::kProtocolVersion);
    response->set_schema_version(schema_version_);
    response->set_revision(view.scheduler.revision());
    response->mutable_uptime()->set_seconds(absl::ToInt64Seconds(clock_->Monotonic() - start_));
    int connected = 0;
    for (const auto& [id, info] : view.workers) {
      connected += info.session == nullptr ? 0 : 1;
    }
    response->set_connected_workers(connected);
    return absl::OkStatus();
  });
}

}  // namespace rwku::service
