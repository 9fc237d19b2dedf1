#include "server/service/prediction_stream.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "net/status.h"
#include "server/service/predictions.h"

namespace rwku::service {
namespace {

// Predictions and bytes read at a time: all that one stream buffers. A read begins at the job's
// first chunk, so it fetches many.
constexpr size_t kReadAhead = 1024;
constexpr size_t kReadAheadBytes = size_t{1} << 20U;

// Its callbacks come one after another: each write is started by the end of the one before it.
class PredictionStream final : public grpc::ServerWriteReactor<v1::Prediction>,
                               public std::enable_shared_from_this<PredictionStream> {
 public:
  PredictionStream(grpc::CallbackServerContext* context, coordinator::Coordinator* coordinator,
                   store::Store* store, WorkPool* pool)
      : context_(context), coordinator_(coordinator), store_(store), pool_(pool) {}

  void Start(const v1::StreamPredictionsRequest& request) {
    self_ = shared_from_this();
    absl::StatusOr<PredictionParent> parent = ParsePredictionParent(request.parent());
    if (!parent.ok()) {
      FinishWith(parent.status());
      return;
    }
    auto self = self_;
    coordinator_->Read(
        [self, parent = *parent,
         wanted = request.filter()](const coordinator::View& view) -> std::function<void()> {
          auto jobs = CopyJobs(view, parent);
          return [self, jobs = std::move(jobs), wanted] {
            if (!jobs.ok()) {
              self->FinishWith(jobs.status());
              return;
            }
            self->jobs_ = *jobs;
            self->wanted_ = wanted;
            self->ReadOn();
          };
        },
        [self](const absl::Status& status) { self->FinishWith(status); });
  }

  void OnWriteDone(bool ok) override {
    if (!ok || context_->IsCancelled()) {
      FinishWith(absl::CancelledError("the stream was cancelled"));
      return;
    }
    Advance();
  }

  // The write in flight then ends at once.
  void OnCancel() override {}

  void OnDone() override { self_.reset(); }

 private:
  void FinishWith(const absl::Status& status) { Finish(net::ToGrpcStatus(status, context_)); }

  // Sends what is buffered, or has more read.
  void Advance() {
    if (buffer_.empty()) {
      ReadOn();
      return;
    }
    current_ = std::move(buffer_.front());
    buffer_.pop_front();
    StartWrite(&current_);
  }

  // Fills the buffer on the pool: a filter may pass over many predictions.
  void ReadOn() {
    const absl::Status queued = pool_->Run([self = self_] {
      if (self->walk_ == nullptr) {
        const std::vector<JobCopy> jobs = std::exchange(self->jobs_, {});
        absl::StatusOr<PredictionFilter> filter = ResolveFilter(self->wanted_, jobs);
        if (!filter.ok()) {
          self->FinishWith(filter.status());
          return;
        }
        std::vector<PredictionSource> sources = FindSources(jobs, *filter);
        self->walk_ = std::make_unique<PredictionWalk>(
            self->store_, std::move(sources), *std::move(filter), PredictionPosition{},
            [context = self->context_] { return context->IsCancelled(); });
      }
      size_t bytes = 0;
      const absl::Status status =
          self->walk_->Next([&](const PredictionSource& /*source*/, v1::Prediction prediction) {
            if (self->buffer_.size() == kReadAhead || bytes > kReadAheadBytes) {
              return false;
            }
            bytes += prediction.ByteSizeLong();
            self->buffer_.push_back(std::move(prediction));
            return true;
          });
      if (!status.ok() || self->buffer_.empty()) {
        self->FinishWith(status);
      } else {
        self->Advance();
      }
    });
    if (!queued.ok()) {
      FinishWith(queued);
    }
  }

  grpc::CallbackServerContext* const context_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  WorkPool* const pool_;
  std::shared_ptr<PredictionStream> self_;
  std::vector<JobCopy> jobs_;  // until the walk begins
  v1::PredictionFilter wanted_;
  std::unique_ptr<PredictionWalk> walk_;
  std::deque<v1::Prediction> buffer_;
  v1::Prediction current_;
};

}  // namespace

grpc::ServerWriteReactor<v1::Prediction>* StartPredictionStream(
    grpc::CallbackServerContext* context, const v1::StreamPredictionsRequest& request,
    coordinator::Coordinator* coordinator, store::Store* store, WorkPool* pool) {
  auto reactor = std::make_shared<PredictionStream>(context, coordinator, store, pool);
  reactor->Start(request);
  return reactor.get();
}

}  // namespace rwku::service
