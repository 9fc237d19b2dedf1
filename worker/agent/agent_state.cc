#include "worker/agent/agent_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/log.h"
#include "net/protocol_version.h"
#include "worker/agent/convert.h"
#include "worker/engine/device_lost.h"

namespace rwku::agent {
namespace {

bool SameLease(const v1::Lease& a, const v1::Lease& b) {
  return a.job() == b.job() && a.fencing_token() == b.fencing_token();
}

absl::Duration ToDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace

void Attempt::SetProgress(const job::Progress& newest) {
  SetAlive();
  newest_progress = absl::StrCat(job::StageName(newest.stage), " ", newest.done, "/", newest.total);
  if (tells_result()) {
    progress = ToProto(newest);
  }
}

AgentState::AgentState(AgentStateOptions options) : options_(std::move(options)) {}

void AgentState::OnConnected() {
  connected_ = true;
  hello_written_ = false;
  welcomed_ = false;
  draining_told_ = false;
}

void AgentState::OnDisconnected() {
  connected_ = false;
  welcomed_ = false;
  next_heartbeat_ = absl::InfiniteDuration();
  heartbeat_in_flight_.reset();
  for (const auto& attempt : attempts_) {
    attempt->outbox.OnDisconnected();
  }
}

absl::Status AgentState::OnMessage(const v1::CoordinatorMessage& message, absl::Duration now) {
  if (message.message_case() == v1::CoordinatorMessage::kWelcome) {
    return OnWelcome(message.welcome(), now);
  }
  if (!welcomed_) {
    return absl::InternalError("the coordinator's first message is not Welcome");
  }
  switch (message.message_case()) {
    case v1::CoordinatorMessage::kAssign:
      OnAssign(message.assign(), now);
      break;
    case v1::CoordinatorMessage::kRevoke:
      if (Attempt* attempt = Find(message.revoke().lease()); attempt != nullptr) {
        Forget(attempt, absl::StrCat("lease revoked: ", message.revoke().reason()));
      }
      break;
    case v1::CoordinatorMessage::kChunkAck:
      if (Attempt* attempt = Find(message.chunk_ack().lease()); attempt != nullptr) {
        attempt->outbox.OnChunkAck(message.chunk_ack().sequence());
      }
      break;
    case v1::CoordinatorMessage::kResultAck:
      if (Attempt* attempt = Find(message.result_ack().lease()); attempt != nullptr) {
        attempt->acknowledged = true;
        EraseIfDone(attempt);
      }
      break;
    case v1::CoordinatorMessage::kDrain:
      if (!draining_) {
        RWKU_LOG(kInfo, "the coordinator asked this worker to drain");
      }
      draining_ = true;
      draining_told_ = true;
      break;
    default:
      // A message of a newer coordinator with the same protocol version: may be ignored.
      break;
  }
  return absl::OkStatus();
}

absl::Status AgentState::OnWelcome(const v1::Welcome& welcome, absl::Duration now) {
  if (welcome.protocol_version() != net::kProtocolVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("worker protocol: this worker (", options_.version, ") speaks version ",
                     net::kProtocolVersion, ", the coordinator (", welcome.server_version(),
                     ") version ", welcome.protocol_version()));
  }
  const absl::Duration interval = ToDuration(welcome.heartbeat_interval());
  const absl::Duration lease = ToDuration(welcome.lease_duration());
  if (interval <= absl::ZeroDuration() || lease <= interval) {
    return absl::InternalError(absl::StrCat(
        "Welcome: heartbeat_interval ", absl::FormatDuration(interval), " and lease_duration ",
        absl::FormatDuration(lease), "; the interval must be above 0 and below the duration"));
  }
  welcomed_ = true;
  heartbeat_interval_ = interval;
  lease_duration_ = lease;
  next_heartbeat_ = now;
  std::vector<Attempt*> dropped;
  for (const auto& attempt : attempts_) {
    const bool kept =
        std::any_of(welcome.leases().begin(), welcome.leases().end(),
                    [&attempt](const v1::Lease& item) { return SameLease(item, attempt->lease); });
    if (!attempt->forgotten && !kept) {
      dropped.push_back(attempt.get());
    }
  }
  for (Attempt* attempt : dropped) {
    Forget(attempt, "the coordinator did not keep the lease");
  }
  Renew(hello_sent_);
  return absl::OkStatus();
}

void AgentState::OnAssign(const v1::Assign& assign, absl::Duration now) {
  const v1::Lease& lease = assign.lease();
  if (Find(lease) != nullptr ||
      (last_acknowledged_.has_value() && SameLease(*last_acknowledged_, lease))) {
    return;  // a repeat
  }
  if (draining_) {
    released_.push_back(lease);
    return;
  }
  // A newer lease of a job ends the older one.
  std::vector<Attempt*> older;
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten && attempt->lease.job() == lease.job()) {
      older.push_back(attempt.get());
    }
  }
  for (Attempt* attempt : older) {
    Forget(attempt, "a newer lease of the job came");
  }
  absl::StatusOr<job::AttemptSpec> spec = ToAttemptSpec(assign);
  if (spec.ok()) {
    spec->gang.timeout = options_.gang_timeout;
    spec->gang.join_timeout = options_.gang_join_timeout;
    spec->gang.network_interface = options_.gang_interface;
  }
  auto attempt =
      std::make_unique<Attempt>(lease, spec.ok() ? *spec : job::AttemptSpec{}, options_.outbox);
  attempt->good_until = now + lease_duration_;
  if (spec.ok()) {
    RWKU_LOG(kInfo, "lease taken")
        .With("lease", LeaseText(lease))
        .With("model", spec->model)
        .With("target", assign.spec().target())
        .With("method", spec->recipe.method);
  } else {
    attempt->outbox.Fail(ToProto(job::Classify(spec.status())), spec.status().message());
  }
  attempts_.push_back(std::move(attempt));
}

std::optional<v1::WorkerMessage> AgentState::NextWrite(absl::Duration now) {
  if (!connected_) {
    return std::nullopt;
  }
  v1::WorkerMessage message;
  if (!hello_written_) {
    hello_written_ = true;
    hello_sent_ = now;
    draining_told_ = draining_;
    *message.mutable_hello() = MakeHello();
    return message;
  }
  if (!welcomed_) {
    return std::nullopt;
  }
  if (now >= next_heartbeat_) {
    next_heartbeat_ = now + heartbeat_interval_;
    heartbeat_in_flight_ = now;
    *message.mutable_heartbeat() = MakeHeartbeat();
    return message;
  }
  if (!released_.empty() || (draining_ && !draining_told_)) {
    draining_told_ = true;
    message.mutable_draining();
    for (v1::Lease& lease : released_) {
      *message.mutable_draining()->add_released() = std::move(lease);
    }
    released_.clear();
    return message;
  }
  for (const auto& attempt : attempts_) {
    if (attempt->forgotten) {
      continue;
    }
    if (std::optional<v1::WorkerMessage> next = attempt->outbox.Next(); next.has_value()) {
      return next;
    }
  }
  if (now >= next_progress_) {
    for (const auto& attempt : attempts_) {
      if (!attempt->forgotten && attempt->progress.has_value()) {
        next_progress_ = now + options_.progress_interval;
        *message.mutable_progress()->mutable_lease() = attempt->lease;
        *message.mutable_progress()->mutable_progress() = *std::move(attempt->progress);
        attempt->progress.reset();
        return message;
      }
    }
  }
  return std::nullopt;
}

void AgentState::OnWritten() {
  if (heartbeat_in_flight_.has_value()) {
    Renew(*heartbeat_in_flight_);
    heartbeat_in_flight_.reset();
  }
}

void AgentState::Renew(absl::Duration sent) {
  for (const auto& attempt : attempts_) {
    attempt->good_until = std::max(attempt->good_until, sent + lease_duration_);
  }
}

void AgentState::CheckLeases(absl::Duration now) {
  std::vector<Attempt*> over;
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten && !attempt->outbox.ended() && now >= attempt->good_until) {
      over.push_back(attempt.get());
    }
  }
  for (Attempt* attempt : over) {
    Forget(attempt,
           absl::StrCat("no heartbeat could be sent for ", absl::FormatDuration(lease_duration_)));
  }
  for (const auto& attempt : attempts_) {
    if ((attempt->forgotten || attempt->acknowledged) && attempt->running) {
      attempt->must_end_by = std::min(attempt->must_end_by, now + options_.abort_timeout);
    }
  }
}

void AgentState::CheckStalls(absl::Duration now) {
  for (const auto& attempt : attempts_) {
    if (!attempt->running || attempt->forgotten || attempt->outbox.ended()) {
      continue;
    }
    if (!attempt->stalled.ok()) {
      if (now >= attempt->must_end_by) {
        attempt->outbox.Fail(ToProto(job::FailureClass::kInfrastructure),
                             attempt->stalled.message());
        SetBroken(absl::UnavailableError(absl::StrCat(
                      LeaseText(attempt->lease), " does not end: ", attempt->stalled.message())),
                  now);
      }
      continue;
    }
    const int64_t signs = attempt->signs_of_life + attempt->cancel.checks();
    if (signs != attempt->signs_seen || attempt->waits_for_room) {
      attempt->signs_seen = signs;
      attempt->last_life = now;
    } else if (now - attempt->last_life >= options_.stall_timeout) {
      attempt->stalled = absl::UnavailableError(
          absl::StrCat("no progress for ", absl::FormatDuration(options_.stall_timeout), " since ",
                       attempt->newest_progress));
      RWKU_LOG(kError, "attempt stalls: it is ended")
          .With("lease", LeaseText(attempt->lease))
          .With("reason", attempt->stalled.message());
      attempt->must_end_by = std::min(attempt->must_end_by, now + options_.abort_timeout);
      attempt->cancel.Cancel(attempt->stalled);
    }
  }
}

const Attempt* AgentState::FindStuck(absl::Duration now) const {
  const auto stuck = std::find_if(attempts_.begin(), attempts_.end(), [&](const auto& attempt) {
    const bool is_reporting =
        !attempt->forgotten && !attempt->stalled.ok() && !attempt->acknowledged && now < report_by_;
    return attempt->running && attempt->must_end_by <= now && !is_reporting;
  });
  return stuck == attempts_.end() ? nullptr : stuck->get();
}

absl::Duration AgentState::NextDeadline(bool may_write) const {
  const bool writes = may_write && welcomed_;
  absl::Duration next = writes ? next_heartbeat_ : absl::InfiniteDuration();
  for (const auto& attempt : attempts_) {
    if (attempt->running && attempt->outbox.ended()) {
      next = std::min(next, std::max(attempt->must_end_by, report_by_));
    } else {
      next = std::min(next, attempt->must_end_by);
    }
    if (attempt->forgotten) {
      continue;
    }
    if (!attempt->outbox.ended()) {
      next = std::min(next, attempt->good_until);
      if (attempt->running && attempt->stalled.ok()) {
        next = std::min(next, attempt->last_life + options_.stall_timeout);
      }
    }
    if (writes && attempt->progress.has_value()) {
      next = std::min(next, next_progress_);
    }
  }
  return next;
}

Attempt* AgentState::TakeNext() {
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten && !attempt->running && !attempt->outbox.ended()) {
      attempt->running = true;
      return attempt.get();
    }
  }
  return nullptr;
}

bool AgentState::HasQueued() const {
  return std::any_of(attempts_.begin(), attempts_.end(), [](const auto& attempt) {
    return !attempt->forgotten && !attempt->running && !attempt->outbox.ended();
  });
}

void AgentState::OnAttemptEnd(Attempt* attempt, const absl::StatusOr<job::AttemptResult>& result,
                              absl::Duration now) {
  attempt->running = false;
  attempt->progress.reset();
  if (engine::IsDeviceLost(result.status())) {
    SetBroken(result.status(), now);
  }
  if (attempt->forgotten) {
    Erase(attempt);
    return;
  }
  if (attempt->outbox.ended()) {
    EraseIfDone(attempt);  // it was reported without its end
    return;
  }
  if (!attempt->tells_result() && (result.ok() || attempt->acknowledged)) {
    attempt->outbox.CompleteAsRank();
    EraseIfDone(attempt);
    return;
  }
  if (result.ok()) {
    v1::JobResult proto = ToProto(*result);
    proto.set_worker_version(options_.version);
    attempt->outbox.Complete(std::move(proto));
    return;
  }
  const absl::Status& error = attempt->stalled.ok() ? result.status() : attempt->stalled;
  RWKU_LOG(kWarning, "attempt failed")
      .With("lease", LeaseText(attempt->lease))
      .With("error", error.ToString());
  attempt->outbox.Fail(ToProto(job::Classify(error)), error.message());
}

void AgentState::ReleaseAll(absl::string_view reason) {
  std::vector<Attempt*> held;
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten) {
      held.push_back(attempt.get());
    }
  }
  for (Attempt* attempt : held) {
    released_.push_back(attempt->lease);
    Forget(attempt, reason);
  }
}

bool AgentState::Empty() const {
  return std::all_of(attempts_.begin(), attempts_.end(),
                     [](const auto& attempt) { return attempt->forgotten; });
}

bool AgentState::Drained() const {
  return draining_ && draining_told_ && released_.empty() && Empty();
}

std::vector<v1::Lease> AgentState::Leases() const {
  std::vector<v1::Lease> leases;
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten) {
      leases.push_back(attempt->lease);
    }
  }
  return leases;
}

Attempt* AgentState::Find(const v1::Lease& lease) {
  for (const auto& attempt : attempts_) {
    if (!attempt->forgotten && SameLease(attempt->lease, lease)) {
      return attempt.get();
    }
  }
  return nullptr;
}

void AgentState::Forget(Attempt* attempt, absl::string_view reason) {
  RWKU_LOG(kWarning, "lease given up")
      .With("lease", LeaseText(attempt->lease))
      .With("reason", reason);
  attempt->forgotten = true;
  attempt->progress.reset();
  attempt->cancel.Cancel(absl::CancelledError(reason));
  if (!attempt->running) {
    Erase(attempt);
  }
}

void AgentState::SetBroken(absl::Status why, absl::Duration now) {
  if (!broken_.ok()) {
    return;
  }
  RWKU_LOG(kError, "this process can do no more work").With("error", why.ToString());
  broken_ = std::move(why);
  report_by_ = now + options_.report_timeout;
  draining_ = true;
}

void AgentState::EraseIfDone(const Attempt* attempt) {
  if (attempt->acknowledged && attempt->outbox.ended() && !attempt->running) {
    RWKU_LOG(kInfo, "result acknowledged").With("lease", LeaseText(attempt->lease));
    last_acknowledged_ = attempt->lease;
    Erase(attempt);
  }
}

void AgentState::Erase(const Attempt* attempt) {
  attempts_.erase(std::find_if(attempts_.begin(), attempts_.end(),
                               [attempt](const auto& item) { return item.get() == attempt; }));
}

v1::Hello AgentState::MakeHello() const {
  v1::Hello hello;
  hello.set_worker(options_.worker);
  hello.set_incarnation(options_.incarnation);
  hello.set_protocol_version(net::kProtocolVersion);
  hello.set_version(options_.version);
  hello.mutable_devices()->Assign(options_.devices.begin(), options_.devices.end());
  if (!resident_model_.empty()) {
    hello.add_resident_models(resident_model_);
  }
  for (v1::Lease& lease : Leases()) {
    *hello.add_leases() = std::move(lease);
  }
  hello.set_draining(draining_);
  hello.set_gang_address(options_.gang_address);
  return hello;
}

v1::Heartbeat AgentState::MakeHeartbeat() const {
  v1::Heartbeat heartbeat;
  for (v1::Lease& lease : Leases()) {
    *heartbeat.add_leases() = std::move(lease);
  }
  if (!resident_model_.empty()) {
    heartbeat.add_resident_models(resident_model_);
  }
  return heartbeat;
}

}  // namespace rwku::agent
