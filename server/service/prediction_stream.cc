#include "server/service/prediction_stream.h"

#include <deque>
#include <memory>
#include <utility>

#include "net/status.h"
#include "server/service/predictions.h"

namespace rwku::service {
namespace {

// Predictions read at a time: all that one stream buffers.
constexpr size_t kReadAhead = 32;

// Its callbacks come one after another: each write is started by the end of the one before it.
class PredictionStream final : public grpc::ServerWriteReactor<v1::Prediction>,
                               public std::enable_shared_from_this<PredictionStream> {
 public:
  PredictionStream(grpc::CallbackServerContext* context, coordinator::Coordinator* coordinator,
                   store::Store* store)
      : context_(context), coordinator_(coordinator), store_(store) {}

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
         filter = request.filter()](const coordinator::View& view) -> std::function<void()> {
          auto sources = FindSources(view, parent, filter);
          return [self, sources = std::move(sources), filter] {
            if (!sources.ok()) {
              self->FinishWith(sources.status());
              return;
            }
            self->walk_ = std::make_unique<PredictionWalk>(self->store_, *sources, filter,
                                                           PredictionPosition{});
            self->Advance();
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

  void Advance() {
    if (buffer_.empty()) {
      const absl::Status status = walk_->Next(
          kReadAhead, [this](const PredictionSource& /*source*/, v1::Prediction prediction) {
            buffer_.push_back(std::move(prediction));
          });
      if (!status.ok() || buffer_.empty()) {
        FinishWith(status);
        return;
      }
    }
    current_ = std::move(buffer_.front());
    buffer_.pop_front();
    StartWrite(&current_);
  }

  grpc::CallbackServerContext* const context_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  std::shared_ptr<PredictionStream> self_;
  std::unique_ptr<PredictionWalk> walk_;
  std::deque<v1::Prediction> buffer_;
  v1::Prediction current_;
};

}  // namespace

grpc::ServerWriteReactor<v1::Prediction>* StartPredictionStream(
    grpc::CallbackServerContext* context, const v1::StreamPredictionsRequest& request,
    coordinator::Coordinator* coordinator, store::Store* store) {
  auto reactor = std::make_shared<PredictionStream>(context, coordinator, store);
  reactor->Start(request);
  return reactor.get();
}

}  // namespace rwku::service
