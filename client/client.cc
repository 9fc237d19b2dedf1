#include "client/client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/backoff.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "net/channel.h"
#include "net/protocol_version.h"
#include "net/status.h"

namespace rwku::client {
namespace {

constexpr int kPageSize = 1000;
// Predictions of a membership probe carry three figures a token: a page of 100 stays below 4 MiB.
constexpr int kPredictionPageSize = 100;

absl::Status CancelledStatus() { return absl::CancelledError("cancelled by the caller"); }

// Ends of a stream that say nothing about the request: a connection or server that went away.
bool IsBreak(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status) || absl::IsAborted(status);
}

}  // namespace

class Client::ScopedContext {
 public:
  explicit ScopedContext(Client& client) : client_(client) {
    const absl::MutexLock lock(&client_.mu_);
    client_.contexts_.insert(&context_);
    if (client_.cancelled_) {
      context_.TryCancel();
    }
  }
  ~ScopedContext() {
    const absl::MutexLock lock(&client_.mu_);
    client_.contexts_.erase(&context_);
  }
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;

  grpc::ClientContext& get() { return context_; }

 private:
  Client& client_;
  grpc::ClientContext context_;
};

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const ClientOptions& options) {
  RWKU_CHECK(options.clock != nullptr);
  RWKU_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                        net::CreateChannel(options.server, options.security));
  return std::unique_ptr<Client>(new Client(options, std::move(channel)));
}

Client::Client(ClientOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      channel_(std::move(channel)),
      stub_(v1::UnlearningService::NewStub(channel_)) {}

void Client::Cancel() {
  const absl::MutexLock lock(&mu_);
  cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) {
    context->TryCancel();
  }
}

bool Client::Cancelled() const {
  const absl::MutexLock lock(&mu_);
  return cancelled_;
}

bool Client::Pause(absl::Duration duration) {
  const absl::MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout(absl::Condition(&cancelled_), duration);
}

absl::Status Client::WithAddress(const absl::Status& status) const {
  if (Cancelled()) {
    return CancelledStatus();
  }
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(
        absl::StrCat("cannot reach the server at ", options_.server, ": ", status.message()));
  }
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(absl::StrCat("no answer from the server at ",
                                                    options_.server, " within ",
                                                    absl::FormatDuration(options_.timeout)));
  }
  return status;
}

template <typename Request, typename Response>
absl::StatusOr<Response> Client::Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      const Request& request, bool repeatable) {
  const absl::Duration start = options_.clock->Monotonic();
  Backoff backoff(options_.backoff, Random(options_.seed));
  while (true) {
    Response response;
    absl::Status status;
    {
      ScopedContext context(*this);
      net::SetDeadline(&context.get(), options_.timeout - (options_.clock->Monotonic() - start));
      const grpc::Status answer = (stub_.get()->*method)(&context.get(), request, &response);
      status = net::FromGrpcStatus(answer, context.get());
    }
    if (status.ok()) {
      return response;
    }
    const absl::Duration wait = backoff.Next();
    const absl::Duration spent = options_.clock->Monotonic() - start + wait;
    if (!repeatable || !absl::IsUnavailable(status) ||
        spent >= std::min(options_.retry_window, options_.timeout) || !Pause(wait)) {
      return WithAddress(status);
    }
  }
}

absl::StatusOr<v1::Run> Client::CreateRun(v1::CreateRunRequest request) {
  if (request.request_id().empty()) {
    request.set_request_id(NewRequestId());
  }
  return Call(&Stub::CreateRun, request, /*repeatable=*/true);
}

absl::StatusOr<v1::Run> Client::GetRun(const std::string& name) {
  v1::GetRunRequest request;
  request.set_name(name);
  return Call(&Stub::GetRun, request, /*repeatable=*/true);
}

absl::StatusOr<std::vector<v1::Run>> Client::ListRuns(size_t limit) {
  std::vector<v1::Run> runs;
  v1::ListRunsRequest request;
  do {
    const size_t wanted = limit == 0 ? kPageSize : limit - runs.size();
    request.set_page_size(static_cast<int>(std::min<size_t>(wanted, kPageSize)));
    RWKU_ASSIGN_OR_RETURN(v1::ListRunsResponse page,
                          Call(&Stub::ListRuns, request, /*repeatable=*/true));
    runs.insert(runs.end(), page.runs().begin(), page.runs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && (limit == 0 || runs.size() < limit));
  return runs;
}

absl::StatusOr<v1::Run> Client::CancelRun(const std::string& name) {
  v1::CancelRunRequest request;
  request.set_name(name);
  return Call(&Stub::CancelRun, request, /*repeatable=*/true);
}

absl::Status Client::DeleteRun(const std::string& name) {
  v1::DeleteRunRequest request;
  request.set_name(name);
  return Call(&Stub::DeleteRun, request, /*repeatable=*/false).status();
}

absl::Status Client::ReadEvents(const v1::WatchRunRequest& request,
                                const std::function<void(const v1::RunEvent&)>& on_event,
                                bool& opened) {
  ScopedContext context(*this);
  net::SetDeadline(&context.get(), options_.stream_deadline);
  const std::unique_ptr<grpc::ClientReaderInterface<v1::RunEvent>> stream =
      stub_->WatchRun(&context.get(), request);
  stream->WaitForInitialMetadata();
  opened = context.get().GetServerInitialMetadata().contains(net::kServerVersionKey);
  v1::RunEvent event;
  while (stream->Read(&event)) {
    opened = true;
    on_event(event);
  }
  return net::FromGrpcStatus(stream->Finish(), context.get());
}

absl::StatusOr<v1::Run> Client::WatchRun(const std::string& name, const WatchOptions& options,
                                         const std::function<void(const v1::RunEvent&)>& on_event) {
  v1::WatchRunRequest request;
  request.set_name(name);
  request.set_after_revision(options.after_revision);
  request.set_omit_progress(options.omit_progress);
  Backoff backoff(options_.backoff, Random(options_.seed));
  absl::Duration alive = options_.clock->Monotonic();  // when the server last gave a sign of life
  bool opened_once = false;
  v1::Run last;
  while (true) {
    bool opened = false;
    absl::Status status = ReadEvents(
        request,
        [&](const v1::RunEvent& event) {
          if (event.revision() != 0 && event.revision() <= request.after_revision()) {
            return;
          }
          request.set_after_revision(std::max(request.after_revision(), event.revision()));
          if (event.has_run()) {
            last = event.run();
          }
          on_event(event);
        },
        opened);
    if (Cancelled()) {
      return CancelledStatus();
    }
    if (status.ok()) {
      // The stream ends once the run is terminal; its end state may lie before after_revision.
      if (!IsTerminal(last.state())) {
        RWKU_ASSIGN_OR_RETURN(last, GetRun(name));
      }
      if (IsTerminal(last.state())) {
        return last;
      }
      opened = true;
      status = absl::UnavailableError("the stream ended before the run did");
    }
    if (!IsBreak(status)) {
      return status;
    }
    if (opened) {
      opened_once = true;
      alive = options_.clock->Monotonic();
      backoff.Reset();
      if (options.on_break) {
        options.on_break(status);
      }
    }
    const absl::Duration window = opened_once ? options.patience : options_.retry_window;
    const absl::Duration wait = backoff.Next();
    if (options_.clock->Monotonic() - alive + wait > window) {
      return WithAddress(status);
    }
    if (!Pause(wait)) {
      return CancelledStatus();
    }
  }
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(const std::string& run,
                                                      const std::vector<v1::JobState>& states) {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  request.set_parent(run);
  request.set_page_size(kPageSize);
  for (const v1::JobState state : states) {
    request.add_states(state);
  }
  do {
    RWKU_ASSIGN_OR_RETURN(v1::ListJobsResponse page,
                          Call(&Stub::ListJobs, request, /*repeatable=*/true));
    jobs.insert(jobs.end(), page.jobs().begin(), page.jobs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return jobs;
}

absl::StatusOr<v1::Job> Client::GetJob(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  return Call(&Stub::GetJob, request, /*repeatable=*/true);
}

absl::StatusOr<v1::Job> Client::RetryJob(const std::string& name) {
  v1::RetryJobRequest request;
  request.set_name(name);
  return Call(&Stub::RetryJob, request, /*repeatable=*/false);
}

absl::StatusOr<v1::ReportTable> Client::GetReport(const std::vector<std::string>& runs) {
  v1::GetReportRequest request;
  for (const std::string& run : runs) {
    request.add_runs(run);
  }
  RWKU_ASSIGN_OR_RETURN(v1::GetReportResponse response,
                        Call(&Stub::GetReport, request, /*repeatable=*/true));
  return std::move(*response.mutable_table());
}

absl::StatusOr<v1::GetReportResponse> Client::GetFullReport(
    const std::vector<std::string>& runs, const std::optional<v1::SelectionBudget>& budget) {
  v1::GetReportRequest request;
  request.mutable_runs()->Add(runs.begin(), runs.end());
  request.set_details(true);
  if (budget) {
    *request.mutable_selection() = *budget;
  }
  return Call(&Stub::GetReport, request, /*repeatable=*/true);
}

absl::StatusOr<std::vector<v1::Comparison>> Client::CompareRuns(
    const v1::CompareRunsRequest& request) {
  RWKU_ASSIGN_OR_RETURN(const v1::CompareRunsResponse response,
                        Call(&Stub::CompareRuns, request, /*repeatable=*/true));
  return std::vector<v1::Comparison>(response.comparisons().begin(), response.comparisons().end());
}

absl::StatusOr<v1::RescoreRunResponse> Client::RescoreRun(const std::string& name) {
  v1::RescoreRunRequest request;
  request.set_name(name);
  ScopedContext context(*this);
  net::SetDeadline(&context.get(), options_.stream_deadline);
  v1::RescoreRunResponse response;
  const absl::Status status =
      net::FromGrpcStatus(stub_->RescoreRun(&context.get(), request, &response), context.get());
  if (!status.ok()) {
    return WithAddress(status);
  }
  return response;
}

absl::Status Client::ListPredictions(
    const std::string& parent, const v1::PredictionFilter& filter,
    const std::function<absl::Status(const v1::PredictionRow&)>& on_row) {
  v1::ListPredictionsRequest request;
  request.set_parent(parent);
  *request.mutable_filter() = filter;
  request.set_page_size(kPredictionPageSize);
  do {
    RWKU_ASSIGN_OR_RETURN(v1::ListPredictionsResponse page,
                          Call(&Stub::ListPredictions, request, /*repeatable=*/true));
    for (const v1::PredictionRow& row : page.predictions()) {
      RWKU_RETURN_IF_ERROR(on_row(row));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Target>> Client::ListTargets(const std::string& dataset) {
  v1::ListTargetsRequest request;
  request.set_dataset(dataset);
  RWKU_ASSIGN_OR_RETURN(v1::ListTargetsResponse response,
                        Call(&Stub::ListTargets, request, /*repeatable=*/true));
  return std::vector<v1::Target>(response.targets().begin(), response.targets().end());
}

absl::StatusOr<std::vector<v1::Model>> Client::ListModels() {
  RWKU_ASSIGN_OR_RETURN(v1::ListModelsResponse response,
                        Call(&Stub::ListModels, v1::ListModelsRequest(), /*repeatable=*/true));
  return std::vector<v1::Model>(response.models().begin(), response.models().end());
}

absl::StatusOr<std::vector<v1::Dataset>> Client::ListDatasets() {
  RWKU_ASSIGN_OR_RETURN(v1::ListDatasetsResponse response,
                        Call(&Stub::ListDatasets, v1::ListDatasetsRequest(), /*repeatable=*/true));
  return std::vector<v1::Dataset>(response.datasets().begin(), response.datasets().end());
}

absl::StatusOr<std::vector<v1::Method>> Client::ListMethods(const std::string& family) {
  v1::ListMethodsRequest request;
  request.set_family(family);
  RWKU_ASSIGN_OR_RETURN(v1::ListMethodsResponse response,
                        Call(&Stub::ListMethods, request, /*repeatable=*/true));
  return std::vector<v1::Method>(response.methods().begin(), response.methods().end());
}

absl::StatusOr<std::vector<v1::Worker>> Client::ListWorkers() {
  RWKU_ASSIGN_OR_RETURN(v1::ListWorkersResponse response,
                        Call(&Stub::ListWorkers, v1::ListWorkersRequest(), /*repeatable=*/true));
  return std::vector<v1::Worker>(response.workers().begin(), response.workers().end());
}

absl::StatusOr<v1::Worker> Client::DrainWorker(const std::string& name) {
  v1::DrainWorkerRequest request;
  request.set_name(name);
  return Call(&Stub::DrainWorker, request, /*repeatable=*/true);
}

absl::StatusOr<v1::ServerInfo> Client::GetServerInfo() {
  return Call(&Stub::GetServerInfo, v1::GetServerInfoRequest(), /*repeatable=*/true);
}

bool IsTerminal(v1::RunState state) {
  return state == v1::RUN_STATE_SUCCEEDED || state == v1::RUN_STATE_FAILED ||
         state == v1::RUN_STATE_CANCELLED;
}

std::string NewRequestId() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    absl::StrAppend(&id, absl::Hex(device(), absl::kZeroPad8));
  }
  return id;
}

}  // namespace rwku::client
