// The client library: one method a call of rwku.v1.UnlearningService, with deadlines, retries and
// absl::Status errors. No output, no files, no flags.
//
//   RWKU_ASSIGN_OR_RETURN(auto client, Client::Create({.server = "127.0.0.1:7450"}));
//   RWKU_ASSIGN_OR_RETURN(v1::Run run, client->CreateRun(request));
//   RWKU_ASSIGN_OR_RETURN(run, client->WatchRun(run.name(), {}, on_event));
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rwku/v1/unlearning.grpc.pb.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "net/security/channel_credentials.h"

namespace rwku::client {

struct ClientOptions {
  std::string server = "127.0.0.1:7450";  // "host:port"
  net::ChannelSecurity security;
  // Deadline of one call, its retries included.
  absl::Duration timeout = absl::Seconds(60);
  // A watch opens its stream anew at the latest after this time. No watcher notices.
  absl::Duration stream_deadline = absl::Hours(1);
  // While the server cannot be reached, calls that may be repeated are repeated for this long (and
  // at most for `timeout`).
  absl::Duration retry_window = absl::Seconds(5);
  // Waits between two tries, and the seed of their jitter: clients of equal seeds that broke off
  // together come back together.
  BackoffOptions backoff = {.initial = absl::Milliseconds(100), .limit = absl::Seconds(2)};
  uint64_t seed = 1;
  // Not null, outlives the client.
  const Clock* clock = nullptr;
};

struct WatchOptions {
  // Events with a greater revision are sent. 0 = from the run's creation.
  uint64_t after_revision = 0;
  bool omit_progress = false;
  // A stream that broke after it had been open is opened again for this long.
  absl::Duration patience = absl::Minutes(10);
  // Called when a stream broke and will be opened again, with the reason. May be empty.
  std::function<void(const absl::Status&)> on_break;
};

// Errors of every method: what the server said (field violations attached, see net::DetailsOf);
// UNAVAILABLE naming the address if it cannot be reached; DEADLINE_EXCEEDED; CANCELLED after
// Cancel(). Thread-safe.
class Client {
 public:
  // INVALID_ARGUMENT for a malformed address, and errors of `security`; they name the flag.
  // Connects on first use.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const ClientOptions& options);

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Ends every call that runs and every later one with CANCELLED.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

  // Fills in a random request_id where there is none, so that a repeated call makes one run.
  absl::StatusOr<v1::Run> CreateRun(v1::CreateRunRequest request);
  absl::StatusOr<v1::Run> GetRun(const std::string& name);
  // Newest first; at most `limit` runs, 0 = all.
  absl::StatusOr<std::vector<v1::Run>> ListRuns(size_t limit = 0);
  absl::StatusOr<v1::Run> CancelRun(const std::string& name);
  absl::Status DeleteRun(const std::string& name);

  // Calls `on_event` (in this thread) for every event of the run after a revision until the run is
  // terminal and returns its last state. A broken stream is resumed after the last revision seen,
  // so that no change is lost or repeated; progress may be.
  absl::StatusOr<v1::Run> WatchRun(const std::string& name, const WatchOptions& options,
                                   const std::function<void(const v1::RunEvent&)>& on_event);

  // Every job of the run, in pages. `states` empty = all.
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& run,
                                                const std::vector<v1::JobState>& states = {});
  absl::StatusOr<v1::Job> GetJob(const std::string& name);
  // Never repeated by itself.
  absl::StatusOr<v1::Job> RetryJob(const std::string& name);

  // The main table.
  absl::StatusOr<v1::ReportTable> GetReport(const std::vector<std::string>& runs);
  // Every table, and a selection if a budget is given.
  absl::StatusOr<v1::GetReportResponse> GetFullReport(
      const std::vector<std::string>& runs,
      const std::optional<v1::SelectionBudget>& budget = std::nullopt);
  absl::StatusOr<std::vector<v1::Comparison>> CompareRuns(const v1::CompareRunsRequest& request);
  // Takes as long as it takes: the deadline of other calls does not apply.
  absl::StatusOr<v1::RescoreRunResponse> RescoreRun(const std::string& name);

  // Calls `on_row` for every prediction of a run or job that matches, page by page. An error of
  // `on_row` ends the listing and is returned.
  absl::Status ListPredictions(const std::string& parent, const v1::PredictionFilter& filter,
                               const std::function<absl::Status(const v1::PredictionRow&)>& on_row);

  absl::StatusOr<std::vector<v1::Target>> ListTargets(const std::string& dataset);
  absl::StatusOr<std::vector<v1::Model>> ListModels();
  absl::StatusOr<std::vector<v1::Dataset>> ListDatasets();
  // Defaults of `family`; empty = the server's default family.
  absl::StatusOr<std::vector<v1::Method>> ListMethods(const std::string& family);
  absl::StatusOr<std::vector<v1::Worker>> ListWorkers();
  absl::StatusOr<v1::Worker> DrainWorker(const std::string& name);
  absl::StatusOr<v1::ServerInfo> GetServerInfo();

 private:
  using Stub = v1::UnlearningService::StubInterface;
  // A context that Cancel() reaches, registered while it lives.
  class ScopedContext;

  Client(ClientOptions options, std::shared_ptr<grpc::Channel> channel);

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, bool repeatable);
  // Reads one stream to its end. Sets `opened` on the first sign of life of the server.
  absl::Status ReadEvents(const v1::WatchRunRequest& request,
                          const std::function<void(const v1::RunEvent&)>& on_event, bool& opened);
  // The status with the server's address where the server could not be reached.
  absl::Status WithAddress(const absl::Status& status) const;
  // Waits; false if cancelled meanwhile.
  bool Pause(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mu_);
  bool Cancelled() const ABSL_LOCKS_EXCLUDED(mu_);

  const ClientOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mu_);
};

// Whether the run has ended.
bool IsTerminal(v1::RunState state);

// 128 random bits of the operating system in hexadecimal.
std::string NewRequestId();

}  // namespace rwku::client
