#include "server/service/watch_reactor.h"

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#include "net/protocol_version.h"
#include "net/status.h"
#include "server/service/convert.h"
#include "server/service/names.h"

namespace rwku::service {
namespace {

// Events read from the store at a time: all that one watcher buffers.
constexpr size_t kReadAhead = 64;

// Exactly one of the calling thread, a write in flight or nobody drives the stream (`busy_`); the
// driver alone touches the cursor. Changes that come meanwhile leave a mark (`changed_`).
class WatchReactor final : public grpc::ServerWriteReactor<v1::RunEvent>,
                           public coordinator::Watcher,
                           public std::enable_shared_from_this<WatchReactor> {
 public:
  WatchReactor(grpc::CallbackServerContext* context, const v1::WatchRunRequest& request,
               coordinator::Coordinator* coordinator, store::Store* store, WorkPool* pool)
      : context_(context),
        after_(request.after_revision()),
        omit_progress_(request.omit_progress()),
        coordinator_(coordinator),
        store_(store),
        pool_(pool) {}

  void Start(const std::string& name) {
    self_ = shared_from_this();
    absl::StatusOr<RunId> run = ParseRunName(name, "name");
    if (!run.ok()) {
      FinishWith(run.status());
      return;
    }
    run_ = *run;
    auto self = self_;
    coordinator_->Read(
        [self](const coordinator::View& view) -> std::function<void()> {
          const bool found = view.scheduler.FindRun(self->run_) != nullptr;
          return [self, found] {
            if (!found) {
              self->FinishWith(RunNotFound(self->run_));
              return;
            }
            // Nothing else may come for hours.
            self->context_->AddInitialMetadata(net::kServerVersionKey,
                                               std::string(net::BinaryVersion()));
            self->StartSendInitialMetadata();
            self->coordinator_->watch_hub().Add(self->run_, self);
            // A watcher that comes back replays the run's events, which may be many.
            const absl::Status queued = self->pool_->Run([self] { self->Drive(); });
            if (!queued.ok()) {
              self->FinishWith(queued);
            }
          };
        },
        [self](const absl::Status& status) { self->FinishWith(status); });
  }

  void OnChange() override {
    {
      absl::MutexLock lock(&mu_);
      changed_ = true;
      if (busy_) {
        return;
      }
      busy_ = true;
    }
    Drive();
  }

  void OnClosed(absl::Status status) override { End(std::move(status)); }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      FinishWith(absl::CancelledError("the stream is broken"));
      return;
    }
    Drive();
  }

  void OnCancel() override { End(absl::CancelledError("the watch was cancelled")); }

  void OnDone() override {
    coordinator_->watch_hub().Remove(run_, this);
    self_.reset();
  }

 private:
  enum class Next { kWrite, kFinish, kNothing };

  // Finishes the stream as soon as nobody drives it.
  void End(absl::Status status) {
    {
      absl::MutexLock lock(&mu_);
      if (!ending_) {
        ending_ = std::move(status);
      }
      if (busy_) {
        return;
      }
      busy_ = true;
    }
    Drive();
  }

  // Called by the driver, who stays it for good.
  void FinishWith(const absl::Status& status) { Finish(net::ToGrpcStatus(status, context_)); }

  void Drive() {
    // Finish and a write that is done may both let go of the stream.
    const std::shared_ptr<WatchReactor> keep = self_;
    while (true) {
      std::optional<absl::Status> ending;
      {
        absl::MutexLock lock(&mu_);
        ending = ending_;
        changed_ = false;
      }
      if (ending) {
        FinishWith(*ending);
        return;
      }
      absl::Status status;
      switch (Advance(&status)) {
        case Next::kWrite:
          StartWrite(&event_);
          return;
        case Next::kFinish:
          FinishWith(status);
          return;
        case Next::kNothing:
          break;
      }
      absl::MutexLock lock(&mu_);
      if (!changed_ && !ending_) {
        busy_ = false;
        return;
      }
    }
  }

  // Finds what comes next. The run's counts of jobs are those of the event's own revision, so the
  // events before `after_` are replayed unsent.
  Next Advance(absl::Status* status) {
    while (true) {
      if (context_->IsCancelled()) {
        *status = absl::CancelledError("the watch was cancelled");
        return Next::kFinish;
      }
      while (!buffer_.empty()) {
        const store::EventRecord record = std::move(buffer_.front());
        buffer_.pop_front();
        revision_ = record.revision;
        if (Take(record)) {
          return Next::kWrite;
        }
      }
      absl::StatusOr<std::vector<store::EventRecord>> events =
          store_->ReadEvents(run_, revision_, kReadAhead);
      if (!events.ok()) {
        *status = events.status();
        return Next::kFinish;
      }
      if (!events->empty()) {
        buffer_.assign(std::make_move_iterator(events->begin()),
                       std::make_move_iterator(events->end()));
        continue;
      }
      // A run has events from its creation on: it was deleted before this watcher was known.
      if (!state_) {
        *status = RunNotFound(run_);
        return Next::kFinish;
      }
      if (scheduler::IsTerminal(*state_)) {
        return Next::kFinish;  // with OK
      }
      return TakeProgress() ? Next::kWrite : Next::kNothing;
    }
  }

  // Whether the event is to be sent; it is then in event_.
  bool Take(const store::EventRecord& record) {
    if (record.job_record) {
      const scheduler::JobState state = record.job_record->state;
      const auto [known, is_new] = jobs_.emplace(record.job_record->index, state);
      if (!is_new) {
        --counts_[known->second];
        known->second = state;
      }
      ++counts_[state];
    } else if (record.run_record) {
      state_ = record.run_record->state;
    }
    if (record.revision <= after_) {
      return false;
    }
    event_.Clear();
    event_.set_revision(record.revision);
    if (record.job_record) {
      *event_.mutable_job() = ToProto(*record.job_record);
    } else if (record.run_record) {
      *event_.mutable_run() = ToProto(*record.run_record, counts_);
    }
    return true;
  }

  bool TakeProgress() {
    if (omit_progress_) {
      return false;
    }
    // The newest of each job only, however many reports were made since.
    const auto records = coordinator_->ProgressSince(run_, progress_version_);
    if (records.empty()) {
      return false;
    }
    const coordinator::ProgressRecord& record = records.front();
    progress_version_ = record.version;
    event_.Clear();
    v1::JobProgressEvent* progress = event_.mutable_progress();
    progress->set_job(JobName(record.lease.job));
    progress->set_worker(record.worker.value());
    progress->set_fencing_token(record.lease.fencing_token);
    if (!progress->mutable_progress()->ParseFromString(record.payload)) {
      progress->clear_progress();
    }
    return true;
  }

  grpc::CallbackServerContext* const context_;
  const uint64_t after_;
  const bool omit_progress_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  WorkPool* const pool_;
  RunId run_;
  std::shared_ptr<WatchReactor> self_;

  // The driver's.
  v1::RunEvent event_;
  std::deque<store::EventRecord> buffer_;
  uint64_t revision_ = 0;
  uint64_t progress_version_ = 0;
  std::optional<scheduler::RunState> state_;
  std::map<int, scheduler::JobState> jobs_;  // by index, as of the last event taken
  scheduler::JobCounts counts_;              // of them

  absl::Mutex mu_;
  bool busy_ ABSL_GUARDED_BY(mu_) = true;
  bool changed_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

grpc::ServerWriteReactor<v1::RunEvent>* StartWatch(grpc::CallbackServerContext* context,
                                                   const v1::WatchRunRequest& request,
                                                   coordinator::Coordinator* coordinator,
                                                   store::Store* store, WorkPool* pool) {
  auto reactor = std::make_shared<WatchReactor>(context, request, coordinator, store, pool);
  reactor->Start(request.name());
  return reactor.get();
}

}  // namespace rwku::service
