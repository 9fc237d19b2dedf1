#include "worker/agent/testing_coordinator.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "base/check.h"
#include "net/protocol_version.h"

namespace rwku::agent {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest = duration;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

}  // namespace

TestingCoordinator::TestingCoordinator(int port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  RWKU_CHECK(server_ != nullptr && port_ != 0);
}

TestingCoordinator::~TestingCoordinator() { server_->Shutdown(std::chrono::system_clock::now()); }

std::unique_ptr<v1::WorkerService::Stub> TestingCoordinator::NewStub() const {
  return v1::WorkerService::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), grpc::InsecureChannelCredentials()));
}

void TestingCoordinator::set_welcomes(bool welcomes) {
  absl::MutexLock lock(&mu_);
  welcomes_ = welcomes;
}

void TestingCoordinator::set_times(absl::Duration heartbeat, absl::Duration lease) {
  absl::MutexLock lock(&mu_);
  heartbeat_ = heartbeat;
  lease_ = lease;
}

void TestingCoordinator::set_acknowledges(bool acknowledges) {
  absl::MutexLock lock(&mu_);
  acknowledges_ = acknowledges;
}

void TestingCoordinator::set_refusal(grpc::Status refusal) {
  absl::MutexLock lock(&mu_);
  refusal_ = std::move(refusal);
}

bool TestingCoordinator::Send(const v1::CoordinatorMessage& message) {
  absl::MutexLock lock(&mu_);
  return stream_ != nullptr && stream_->Write(message);
}

void TestingCoordinator::BreakStream() {
  absl::MutexLock lock(&mu_);
  if (context_ != nullptr) {
    context_->TryCancel();
  }
}

std::optional<v1::WorkerMessage> TestingCoordinator::Await(
    const std::function<bool(const v1::WorkerMessage&)>& match) {
  absl::MutexLock lock(&mu_);
  auto found = received_.end();
  const auto came = [this, &match, &found]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    found = std::find_if(received_.begin(), received_.end(), match);
    return found != received_.end();
  };
  if (!mu_.AwaitWithTimeout(absl::Condition(&came), kPatience)) {
    return std::nullopt;
  }
  v1::WorkerMessage message = std::move(*found);
  received_.erase(found);
  return message;
}

bool TestingCoordinator::Has(const std::function<bool(const v1::WorkerMessage&)>& match) {
  absl::MutexLock lock(&mu_);
  return std::any_of(received_.begin(), received_.end(), match);
}

bool TestingCoordinator::AwaitStreamsEnded(int streams) {
  absl::MutexLock lock(&mu_);
  const auto ended = [this, streams]()
                         ABSL_SHARED_LOCKS_REQUIRED(mu_) { return streams_ended_ >= streams; };
  return mu_.AwaitWithTimeout(absl::Condition(&ended), kPatience);
}

int TestingCoordinator::streams() const {
  absl::MutexLock lock(&mu_);
  return streams_;
}

grpc::Status TestingCoordinator::Connect(grpc::ServerContext* context, ServerStream* stream) {
  {
    absl::MutexLock lock(&mu_);
    ++streams_;
    if (!refusal_.ok()) {
      ++streams_ended_;
      return refusal_;
    }
    stream_ = stream;
    context_ = context;
  }
  v1::WorkerMessage message;
  while (stream->Read(&message)) {
    React(message, stream);
  }
  absl::MutexLock lock(&mu_);
  if (stream_ == stream) {
    stream_ = nullptr;
    context_ = nullptr;
  }
  ++streams_ended_;
  return grpc::Status::OK;
}

void TestingCoordinator::React(const v1::WorkerMessage& message, ServerStream* stream) {
  absl::MutexLock lock(&mu_);
  received_.push_back(message);
  v1::CoordinatorMessage answer;
  if (message.has_hello() && welcomes_) {
    v1::Welcome* welcome = answer.mutable_welcome();
    welcome->set_server_version("test");
    welcome->set_protocol_version(net::kProtocolVersion);
    *welcome->mutable_heartbeat_interval() = ToProto(heartbeat_);
    *welcome->mutable_lease_duration() = ToProto(lease_);
    *welcome->mutable_leases() = message.hello().leases();
  } else if (message.has_prediction_chunk() && acknowledges_) {
    *answer.mutable_chunk_ack()->mutable_lease() = message.prediction_chunk().lease();
    answer.mutable_chunk_ack()->set_sequence(message.prediction_chunk().sequence());
  } else if (message.has_completed() && acknowledges_) {
    *answer.mutable_result_ack()->mutable_lease() = message.completed().lease();
  } else if (message.has_failed() && acknowledges_) {
    *answer.mutable_result_ack()->mutable_lease() = message.failed().lease();
  } else {
    return;
  }
  stream->Write(answer);
}

}  // namespace rwku::agent
