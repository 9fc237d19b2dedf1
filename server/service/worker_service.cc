#include "server/service/worker_service.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "net/address.h"
#include "net/protocol_version.h"
#include "net/status.h"
#include "server/service/convert.h"
#include "server/service/names.h"

namespace rwku::service {
namespace {

using coordinator::SessionMessage;

// Messages that wait for one stream. A worker is owed a handful; this many mean that it stopped
// reading.
constexpr size_t kMaxQueuedMessages = 1024;
constexpr int kMaxChunkPredictions = 256;
constexpr size_t kMaxChunkBytes = size_t{1} << 20U;
constexpr size_t kMaxIncarnation = 64;
constexpr size_t kMaxVersion = 64;
constexpr int kMaxDevices = 64;
constexpr int kMaxLeases = 1024;
constexpr int kMaxResidentModels = 64;
constexpr size_t kMaxModelName = 1024;
constexpr size_t kMaxGangAddress = 300;  // a host name has at most 253 bytes
// The store, watchers and the next Hello carry a result whole: it must stay far below a message.
constexpr size_t kMaxResultBytes = size_t{1} << 20U;
constexpr size_t kMaxFailureMessage = size_t{4} << 10U;

// What the ranks of a gang must have in common: they exchange numbers and answers in the form of
// their build, and a loopback address is of use to workers of the same machine only. A worker
// without devices joins no gang.
std::string GangKind(const v1::Hello& hello) {
  const absl::StatusOr<net::HostPort> address = net::ParseHostPort(hello.gang_address());
  if (hello.devices().empty() || !address.ok()) {
    return "";
  }
  const std::string& device = hello.devices(0).name();
  return absl::StrCat(device.substr(0, device.find(':')), " ", hello.version(),
                      net::IsLoopback(address->host) ? " loopback" : "");
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* proto) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  proto->set_seconds(seconds);
  proto->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

absl::StatusOr<std::vector<scheduler::Lease>> Leases(
    const google::protobuf::RepeatedPtrField<v1::Lease>& leases) {
  if (leases.size() > kMaxLeases) {
    return net::InvalidFields(
        {{"leases", absl::StrCat("found ", leases.size(), ", allowed at most ", kMaxLeases)}});
  }
  std::vector<scheduler::Lease> result;
  result.reserve(static_cast<size_t>(leases.size()));
  for (const v1::Lease& lease : leases) {
    RWKU_ASSIGN_OR_RETURN(scheduler::Lease one, FromProto(lease));
    result.push_back(std::move(one));
  }
  return result;
}

absl::StatusOr<std::vector<std::string>> ResidentModels(
    const google::protobuf::RepeatedPtrField<std::string>& models) {
  if (models.size() > kMaxResidentModels ||
      std::any_of(models.begin(), models.end(),
                  [](const std::string& model) { return model.size() > kMaxModelName; })) {
    return net::InvalidFields(
        {{"resident_models", absl::StrCat("allowed at most ", kMaxResidentModels, " names of ",
                                          kMaxModelName, " bytes")}});
  }
  return std::vector<std::string>(models.begin(), models.end());
}

// At most kMaxFailureMessage bytes of `message`, cut between characters.
std::string Shortened(const std::string& message) {
  if (message.size() <= kMaxFailureMessage) {
    return message;
  }
  size_t end = kMaxFailureMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return absl::StrCat(message.substr(0, end), "... (", message.size(), " bytes)");
}

// What is wrong with a Hello; OK if nothing.
absl::Status CheckHello(const v1::Hello& hello) {
  if (hello.protocol_version() != net::kProtocolVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("protocol version mismatch: worker \"", hello.worker(), "\" (rwku ",
                     hello.version(), ") speaks version ", hello.protocol_version(),
                     ", this coordinator (rwku ", net::BinaryVersion(), ") speaks version ",
                     net::kProtocolVersion, "; install the same release on both"));
  }
  std::vector<net::FieldError> errors;
  if (!IsWorkerId(hello.worker())) {
    errors.push_back({"hello.worker", absl::StrCat("found \"", hello.worker(),
                                                   "\", expected 1 to 64 letters, digits, '.', "
                                                   "'_' or '-'")});
  }
  if (hello.incarnation().empty() || hello.incarnation().size() > kMaxIncarnation) {
    errors.push_back({"hello.incarnation", absl::StrCat("found ", hello.incarnation().size(),
                                                        " bytes, expected 1 to 64")});
  }
  if (hello.version().size() > kMaxVersion) {
    errors.push_back({"hello.version", absl::StrCat("found ", hello.version().size(),
                                                    " bytes, allowed at most ", kMaxVersion)});
  }
  if (hello.devices_size() > kMaxDevices) {
    errors.push_back({"hello.devices", absl::StrCat("found ", hello.devices_size(),
                                                    ", allowed at most ", kMaxDevices)});
  }
  if (!hello.gang_address().empty()) {
    if (const auto address = net::ParseHostPort(hello.gang_address());
        !address.ok() || hello.gang_address().size() > kMaxGangAddress) {
      errors.push_back(
          {"hello.gang_address",
           absl::StrCat("found \"", hello.gang_address().substr(0, kMaxGangAddress),
                        "\", expected host:port of at most ", kMaxGangAddress, " bytes")});
    }
  }
  for (const v1::Device& device : hello.devices()) {
    if (device.ByteSizeLong() > kMaxModelName) {
      errors.push_back({"hello.devices", absl::StrCat("one has ", device.ByteSizeLong(),
                                                      " bytes, allowed at most ", kMaxModelName)});
      break;
    }
  }
  return errors.empty() ? absl::OkStatus() : net::InvalidFields(errors);
}

class ConnectReactor final
    : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>,
      public coordinator::WorkerSession,
      public std::enable_shared_from_this<ConnectReactor> {
 public:
  ConnectReactor(grpc::CallbackServerContext* context, const WorkerServiceOptions& options,
                 coordinator::Coordinator* coordinator, store::Store* store)
      : context_(context), options_(options), coordinator_(coordinator), store_(store) {}

  // The stream owns itself until OnDone.
  void Start() {
    self_ = shared_from_this();
    StartRead(&incoming_);
  }

  void Send(SessionMessage message) override {
    {
      absl::MutexLock lock(&mu_);
      if (closing_) {
        return;
      }
      if (outgoing_.size() >= kMaxQueuedMessages) {
        outgoing_.clear();
        closing_ = absl::ResourceExhaustedError(
            absl::StrCat(kMaxQueuedMessages, " messages wait: the worker does not read"));
      } else {
        outgoing_.push_back(ToProto(message));
      }
    }
    Advance(/*write_done=*/false);
  }

  void Close(absl::Status status) override {
    {
      absl::MutexLock lock(&mu_);
      if (closing_) {
        return;
      }
      closing_ = std::move(status);
    }
    Advance(/*write_done=*/false);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Leave();
      Close(absl::OkStatus());
      return;
    }
    const absl::Status status = worker_.empty() ? HandleFirst() : Handle();
    if (!status.ok()) {
      RWKU_LOG(kWarning, "worker stream refused")
          .With("worker", worker_.value())
          .With("peer", context_->peer())
          .With("error", status.message());
      Leave();
      Close(status);
      return;
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      absl::MutexLock lock(&mu_);
      outgoing_.clear();
      if (!closing_) {
        closing_ = absl::CancelledError("the stream is broken");
      }
    }
    Advance(/*write_done=*/true);
  }

  void OnCancel() override {
    Leave();
    {
      absl::MutexLock lock(&mu_);
      outgoing_.clear();
    }
    Close(absl::CancelledError("the stream was cancelled"));
  }

  void OnDone() override {
    Leave();
    if (!worker_.empty()) {
      RWKU_LOG(kInfo, "worker disconnected").With("worker", worker_.value());
    }
    self_.reset();  // deletes this, unless the coordinator is just using it
  }

 private:
  // Starts the next write, or finishes once nothing is left to write. One write is in flight at a
  // time; no lock is held while gRPC is called.
  void Advance(bool write_done) {
    bool write = false;
    std::optional<absl::Status> finish;
    {
      absl::MutexLock lock(&mu_);
      if (write_done) {
        writing_ = false;
      }
      if (writing_ || finished_) {
        return;
      }
      if (!outgoing_.empty()) {
        current_ = std::move(outgoing_.front());
        outgoing_.pop_front();
        writing_ = true;
        write = true;
      } else if (closing_) {
        finished_ = true;
        finish = *closing_;
      }
    }
    if (write) {
      StartWrite(&current_);
    } else if (finish) {
      Finish(net::ToGrpcStatus(*finish, context_));
    }
  }

  v1::CoordinatorMessage ToProto(const SessionMessage& message) const {
    v1::CoordinatorMessage proto;
    if (const auto* welcome = std::get_if<coordinator::WelcomeMessage>(&message)) {
      v1::Welcome* out = proto.mutable_welcome();
      out->set_server_version(std::string(net::BinaryVersion()));
      out->set_protocol_version(net::kProtocolVersion);
      SetDuration(options_.heartbeat_interval, out->mutable_heartbeat_interval());
      SetDuration(options_.lease_duration, out->mutable_lease_duration());
      for (const scheduler::Lease& lease : welcome->kept) {
        *out->add_leases() = service::ToProto(lease);
      }
    } else if (const auto* assign = std::get_if<coordinator::AssignMessage>(&message)) {
      v1::Assign* out = proto.mutable_assign();
      *out->mutable_lease() = service::ToProto(assign->lease);
      if (!out->mutable_spec()->ParseFromString(assign->payload)) {
        RWKU_LOG(kError, "a stored JobSpec cannot be read").With("job", assign->lease.job.value());
      }
      if (!out->spec().export_folder().empty()) {
        // Stored before the run had its id. A job's id is "{run}/{job}".
        out->mutable_spec()->set_export_folder(assign->lease.job.value());
      }
      out->set_micro_batch_halvings(assign->micro_batch_halvings);
      out->set_world_size(assign->world_size);
      out->set_rank(assign->rank);
      out->set_rendezvous(assign->rendezvous);
    } else if (const auto* revoke = std::get_if<coordinator::RevokeMessage>(&message)) {
      *proto.mutable_revoke()->mutable_lease() = service::ToProto(revoke->lease);
      proto.mutable_revoke()->set_reason(revoke->reason);
    } else if (const auto* chunk = std::get_if<coordinator::ChunkAckMessage>(&message)) {
      *proto.mutable_chunk_ack()->mutable_lease() = service::ToProto(chunk->lease);
      proto.mutable_chunk_ack()->set_sequence(chunk->sequence);
    } else if (const auto* result = std::get_if<coordinator::ResultAckMessage>(&message)) {
      *proto.mutable_result_ack()->mutable_lease() = service::ToProto(result->lease);
    } else {
      proto.mutable_drain();
    }
    return proto;
  }

  absl::Status HandleFirst() {
    if (!incoming_.has_hello()) {
      return absl::InvalidArgumentError("the first message of a stream must be Hello");
    }
    const v1::Hello& hello = incoming_.hello();
    if (absl::Status status = CheckHello(hello); !status.ok()) {
      return status;
    }
    scheduler::WorkerConnected event;
    RWKU_ASSIGN_OR_RETURN(event.resident_models, ResidentModels(hello.resident_models()));
    RWKU_ASSIGN_OR_RETURN(event.leases, Leases(hello.leases()));
    worker_ = WorkerId(hello.worker());
    {
      absl::MutexLock lock(&mu_);
      joined_ = worker_;
    }
    RWKU_LOG(kInfo, "worker connected")
        .With("worker", worker_.value())
        .With("incarnation", hello.incarnation())
        .With("leases", hello.leases_size())
        .With("peer", context_->peer());
    event.worker = worker_;
    event.incarnation = hello.incarnation();
    event.draining = hello.draining();
    event.gang_address = hello.gang_address();
    event.gang_kind = GangKind(hello);
    v1::Hello details;  // what is shown of a worker
    details.set_version(hello.version());
    *details.mutable_devices() = hello.devices();
    coordinator_->Connect(std::move(event), details.SerializeAsString(), self_);
    return absl::OkStatus();
  }

  absl::Status Handle() {
    switch (incoming_.message_case()) {
      case v1::WorkerMessage::kHello:
        return absl::InvalidArgumentError("Hello is sent once, as the first message");
      case v1::WorkerMessage::kHeartbeat: {
        scheduler::WorkerHeartbeat event{worker_, {}, {}};
        RWKU_ASSIGN_OR_RETURN(event.leases, Leases(incoming_.heartbeat().leases()));
        RWKU_ASSIGN_OR_RETURN(event.resident_models,
                              ResidentModels(incoming_.heartbeat().resident_models()));
        coordinator_->Heartbeat(std::move(event), self_);
        return absl::OkStatus();
      }
      case v1::WorkerMessage::kProgress: {
        RWKU_ASSIGN_OR_RETURN(const scheduler::Lease lease,
                              FromProto(incoming_.progress().lease()));
        coordinator_->ReportProgress(worker_, lease,
                                     incoming_.progress().progress().SerializeAsString(), self_);
        return absl::OkStatus();
      }
      case v1::WorkerMessage::kPredictionChunk:
        return HandleChunk(incoming_.prediction_chunk());
      case v1::WorkerMessage::kCompleted:
        return HandleCompleted(incoming_.completed());
      case v1::WorkerMessage::kFailed: {
        const v1::Failed& failed = incoming_.failed();
        RWKU_ASSIGN_OR_RETURN(scheduler::Lease lease, FromProto(failed.lease()));
        coordinator_->Fail({worker_, std::move(lease), FromProto(failed.failure_class()),
                            Shortened(failed.message())},
                           self_);
        return absl::OkStatus();
      }
      case v1::WorkerMessage::kDraining: {
        RWKU_ASSIGN_OR_RETURN(std::vector<scheduler::Lease> released,
                              Leases(incoming_.draining().released()));
        coordinator_->WorkerDrains({worker_, std::move(released)}, self_);
        return absl::OkStatus();
      }
      case v1::WorkerMessage::MESSAGE_NOT_SET:
        return absl::InvalidArgumentError("a message without content, or of an unknown kind");
    }
    return absl::OkStatus();
  }

  absl::Status HandleCompleted(const v1::Completed& completed) {
    RWKU_ASSIGN_OR_RETURN(const scheduler::Lease lease, FromProto(completed.lease()));
    std::string result = completed.result().SerializeAsString();
    if (result.size() > kMaxResultBytes) {
      coordinator_->Fail({worker_, lease, scheduler::FailureClass::kInternal,
                          absl::StrCat("the result has ", result.size(), " bytes, allowed at most ",
                                       kMaxResultBytes)},
                         self_);
    } else if (const absl::Status status = CheckPredictions(lease, completed.result());
               absl::IsDataLoss(status)) {
      coordinator_->StoreIsLost(status);
    } else if (!status.ok()) {
      coordinator_->Fail({worker_, lease, scheduler::FailureClass::kInfrastructure,
                          Shortened(std::string(status.message()))},
                         self_);
    } else {
      coordinator_->Complete({worker_, lease, std::move(result)}, completed.chunks(), self_);
    }
    return absl::OkStatus();
  }

  absl::Status HandleChunk(const v1::PredictionChunk& chunk) {
    std::vector<net::FieldError> errors;
    if (chunk.predictions_size() > kMaxChunkPredictions) {
      errors.push_back({"prediction_chunk.predictions",
                        absl::StrCat("found ", chunk.predictions_size(), ", expected at most ",
                                     kMaxChunkPredictions)});
    }
    if (chunk.ByteSizeLong() > kMaxChunkBytes) {
      errors.push_back(
          {"prediction_chunk", absl::StrCat("found ", chunk.ByteSizeLong(),
                                            " bytes, expected at most ", kMaxChunkBytes)});
    }
    if (chunk.sequence() < 0) {
      errors.push_back({"prediction_chunk.sequence",
                        absl::StrCat("found ", chunk.sequence(), ", expected at least 0")});
    }
    if (!errors.empty()) {
      return net::InvalidFields(errors);
    }
    RWKU_ASSIGN_OR_RETURN(const scheduler::Lease lease, FromProto(chunk.lease()));
    store::PredictionChunk record{lease.job, lease.fencing_token, chunk.sequence(), {}};
    record.predictions.reserve(static_cast<size_t>(chunk.predictions_size()));
    for (const v1::Prediction& prediction : chunk.predictions()) {
      record.predictions.push_back(prediction.SerializeAsString());
    }
    coordinator_->StoreChunk(worker_, std::move(record), self_);
    return absl::OkStatus();
  }

  // Whether the stored predictions of the attempt are those that the worker counted and digested.
  absl::Status CheckPredictions(const scheduler::Lease& lease, const v1::JobResult& result) const {
    size_t count = 0;
    Sha256 digest;
    absl::Status read = store_->ReadPredictions(
        lease.job, lease.fencing_token, 0, [&](size_t /*position*/, absl::string_view prediction) {
          ++count;
          digest.Update(prediction);
          return true;
        });
    if (!read.ok()) {
      return read;
    }
    const std::string found = digest.HexDigest();
    if (static_cast<int64_t>(count) != result.prediction_count()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the result counts ", result.prediction_count(), " predictions, but ", count,
                       " are stored"));
    }
    if (!result.predictions_digest().empty() && result.predictions_digest() != found) {
      return absl::FailedPreconditionError(absl::StrCat("the stored predictions have the digest ",
                                                        found, ", the result says ",
                                                        result.predictions_digest()));
    }
    return absl::OkStatus();
  }

  void Leave() {
    WorkerId worker;
    {
      absl::MutexLock lock(&mu_);
      worker = joined_;
    }
    if (!worker.empty()) {
      coordinator_->Disconnect(worker, self_);
    }
  }

  grpc::CallbackServerContext* const context_;
  const WorkerServiceOptions options_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;

  std::shared_ptr<ConnectReactor> self_;
  v1::WorkerMessage incoming_;  // of the read under way
  WorkerId worker_;             // set by Hello; for reads only, which come one at a time

  absl::Mutex mu_;
  WorkerId joined_ ABSL_GUARDED_BY(mu_);  // the same, for everything else
  std::deque<v1::CoordinatorMessage> outgoing_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> closing_ ABSL_GUARDED_BY(mu_);
  v1::CoordinatorMessage current_;  // of the write under way
};

}  // namespace

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* WorkerService::Connect(
    grpc::CallbackServerContext* context) {
  auto reactor = std::make_shared<ConnectReactor>(context, options_, coordinator_, store_);
  reactor->Start();
  return reactor.get();
}

}  // namespace rwku::service
