// One call of WorkerService.Connect: gRPC's callbacks turned into four plain ones. Decides nothing.
#pragma once

#include "absl/status/status.h"
#include "rwku/v1/worker.grpc.pb.h"
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

namespace rwku::agent {

// Called from gRPC's threads, never with a lock of the stream held.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void OnMessage(const v1::CoordinatorMessage& message) = 0;
  // The write was handed to the transport, or failed because the stream broke.
  virtual void OnWritten(bool ok) = 0;
  // No more messages will come; the stream should be ended.
  virtual void OnReadClosed() = 0;
  // The last callback; the stream may be destroyed once it has returned or from any other thread
  // after it was called.
  virtual void OnDone(const absl::Status& status) = 0;
};

class Stream final : private grpc::ClientBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage> {
 public:
  // Opens the stream. `stub` and `handler` must outlive it.
  Stream(v1::WorkerService::StubInterface* stub, StreamHandler* handler);
  ~Stream() override = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // At most one at a time: the next only after OnWritten.
  void Write(v1::WorkerMessage message);
  // No more writes. Not while one is in flight.
  void CloseWrites();
  // Breaks the stream off.
  void Cancel();
  // No call of Write or CloseWrites follows; OnDone comes once the call has ended. Call once.
  void Release();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  StreamHandler* const handler_;
  grpc::ClientContext context_;
  v1::CoordinatorMessage incoming_;  // between StartRead and OnReadDone gRPC's
  v1::WorkerMessage outgoing_;       // between StartWrite and OnWriteDone gRPC's
};

}  // namespace rwku::agent
