#include "worker/agent/stream.h"

#include <utility>

#include "net/status.h"

namespace rwku::agent {

Stream::Stream(v1::WorkerService::StubInterface* stub, StreamHandler* handler) : handler_(handler) {
  stub->async()->Connect(&context_, this);
  // Writes start outside of callbacks: the hold keeps OnDone away until Release.
  AddHold();
  StartRead(&incoming_);
  StartCall();
}

void Stream::Write(v1::WorkerMessage message) {
  outgoing_ = std::move(message);
  StartWrite(&outgoing_);
}

void Stream::CloseWrites() { StartWritesDone(); }

void Stream::Cancel() { context_.TryCancel(); }

void Stream::Release() { RemoveHold(); }

void Stream::OnReadDone(bool ok) {
  if (!ok) {
    handler_->OnReadClosed();
    return;
  }
  handler_->OnMessage(incoming_);
  StartRead(&incoming_);
}

void Stream::OnWriteDone(bool ok) { handler_->OnWritten(ok); }

void Stream::OnDone(const grpc::Status& status) { handler_->OnDone(net::FromGrpcStatus(status)); }

}  // namespace rwku::agent
