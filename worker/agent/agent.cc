#include "worker/agent/agent.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/log.h"
#include "base/status_macros.h"
#include "worker/agent/convert.h"
#include "worker/agent/corpus_convert.h"

namespace rwku::agent {
namespace {

// Run's thread looks at least this often, so that a stuck one can be told from one that waits.
constexpr absl::Duration kLongestWait = absl::Seconds(10);

}  // namespace

Agent::Agent(AgentOptions options, v1::WorkerService::StubInterface* stub, const Clock* clock,
             job::AttemptRunner runner)
    : options_(std::move(options)),
      stub_(stub),
      clock_(clock),
      runner_(std::move(runner)),
      state_(options_.state),
      last_look_(clock->Monotonic()),
      backoff_(options_.backoff,
               Random(0, absl::StrCat(options_.state.worker, "/", options_.state.incarnation))) {}

Agent::~Agent() = default;

bool Agent::IsFinal(const absl::Status& status) const {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
      return true;
    case absl::StatusCode::kUnauthenticated:
      return !ever_welcomed_;
    default:
      return false;
  }
}

absl::Status Agent::Run() {
  std::thread job_thread([this] { JobLoop(); });
  absl::Status status;
  while (true) {
    status = ServeStream();
    if (IsFinal(status)) {
      RWKU_LOG(kError, "the coordinator refuses this worker").With("error", status.ToString());
      break;
    }
    const absl::Duration wait = backoff_.Next();
    if (!WaitForRetry(wait)) {
      status = absl::OkStatus();
      break;
    }
  }
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    state_.ReleaseAll("the worker ends");
  }
  job_thread.join();
  const absl::MutexLock lock(&mu_);
  return state_.broken().ok() ? status : state_.broken();
}

void Agent::Drain(absl::Duration timeout) {
  const absl::Duration deadline = clock_->Monotonic() + timeout;
  absl::MutexLock lock(&mu_);
  state_.Drain();
  drain_deadline_ = std::min(drain_deadline_, deadline);
  changed_ = true;
}

Agent::Standing Agent::standing() const {
  absl::MutexLock lock(&mu_);
  return {.connected = state_.welcomed(),
          .draining = state_.draining(),
          .leases = static_cast<int>(state_.Leases().size()),
          .idle = clock_->Monotonic() - last_look_};
}

absl::Status Agent::ServeStream() {
  {
    absl::MutexLock lock(&mu_);
    write_in_flight_ = write_failed_ = read_closed_ = writes_closed_ = cancelled_ = false;
    give_up_at_ = clock_->Monotonic() + options_.handshake_timeout;
    refused_ = absl::OkStatus();
    done_.reset();
    state_.OnConnected();
  }
  Stream stream(stub_, this);
  while (StepStream(&stream)) {
  }
  stream.Release();
  absl::Status status;
  bool welcomed = false;
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](std::optional<absl::Status>* done) { return done->has_value(); }, &done_));
    status = refused_.ok() ? *done_ : refused_;
    welcomed = state_.welcomed();
    state_.OnDisconnected();
  }
  if (welcomed) {
    ever_welcomed_ = true;
    backoff_.Reset();
    reported_down_ = false;
  }
  if (!reported_down_ && !IsFinal(status)) {
    RWKU_LOG(kWarning, welcomed ? "disconnected" : "cannot reach the coordinator, trying on")
        .With("status", status.ToString());
    reported_down_ = !welcomed;
  }
  return status;
}

bool Agent::StepStream(Stream* stream) {
  std::optional<v1::WorkerMessage> message;
  bool close_writes = false;
  bool cancel = false;
  {
    absl::MutexLock lock(&mu_);
    const absl::Duration now = clock_->Monotonic();
    CheckLeases(now);
    CheckDrain(now);
    if (!cancelled_ && (now >= give_up_at_ || !refused_.ok())) {
      cancelled_ = true;
      cancel = true;
    } else if (!write_in_flight_) {
      if (read_closed_ || write_failed_) {
        // A failed write alone says nothing: the status comes with the end of the reads.
        if (read_closed_) {
          return false;
        }
      } else if (!writes_closed_) {
        message = state_.NextWrite(now);
        if (message.has_value()) {
          write_in_flight_ = true;
        } else if (state_.Drained()) {
          writes_closed_ = true;
          close_writes = true;
          give_up_at_ = std::min(give_up_at_, now + options_.close_timeout);
        }
      }
    }
    if (!message.has_value() && !close_writes && !cancel) {
      const bool may_write =
          !write_in_flight_ && !write_failed_ && !read_closed_ && !writes_closed_;
      AwaitChange(std::min({state_.NextDeadline(may_write), drain_deadline_,
                            cancelled_ ? absl::InfiniteDuration() : give_up_at_}));
      return true;
    }
  }
  if (cancel) {
    stream->Cancel();
  } else if (close_writes) {
    stream->CloseWrites();
  } else {
    stream->Write(*std::move(message));
  }
  return true;
}

void Agent::CheckLeases(absl::Duration now) {
  state_.CheckLeases(now);
  state_.CheckStalls(now);
  if (!state_.broken().ok() && !is_broken_) {
    is_broken_ = true;
    drain_deadline_ = std::min(drain_deadline_, state_.report_by());
  }
  const Attempt* stuck = state_.FindStuck(now);
  if (stuck != nullptr && options_.on_stuck != nullptr) {
    options_.on_stuck(stuck->lease);
  }
}

void Agent::CheckDrain(absl::Duration now) {
  if (now < drain_deadline_) {
    return;
  }
  drain_deadline_ = absl::InfiniteDuration();
  state_.ReleaseAll("the worker drains");
  give_up_at_ = std::min(give_up_at_, now + options_.close_timeout);
}

void Agent::AwaitChange(absl::Duration deadline) {
  last_look_ = clock_->Monotonic();
  const absl::Duration wait = std::min(deadline - last_look_, kLongestWait);
  if (wait > absl::ZeroDuration()) {
    mu_.AwaitWithTimeout(absl::Condition(&changed_), wait);
  }
  changed_ = false;
}

bool Agent::WaitForRetry(absl::Duration wait) {
  const absl::Duration end = clock_->Monotonic() + wait;
  absl::MutexLock lock(&mu_);
  while (true) {
    const absl::Duration now = clock_->Monotonic();
    CheckLeases(now);
    CheckDrain(now);
    if (state_.draining() && state_.Empty()) {
      return false;  // nobody to tell, nothing to tell
    }
    if (now >= end) {
      return true;
    }
    AwaitChange(std::min({end, state_.NextDeadline(/*may_write=*/false), drain_deadline_}));
  }
}

void Agent::OnMessage(const v1::CoordinatorMessage& message) {
  absl::MutexLock lock(&mu_);
  const bool was_welcomed = state_.welcomed();
  const absl::Status status = state_.OnMessage(message, clock_->Monotonic());
  if (!status.ok() && refused_.ok()) {
    refused_ = status;
  }
  if (!was_welcomed && state_.welcomed()) {
    give_up_at_ = absl::InfiniteDuration();
    RWKU_LOG(kInfo, "connected")
        .With("server_version", message.welcome().server_version())
        .With("leases_kept", message.welcome().leases_size());
  }
  changed_ = true;
}

void Agent::OnWritten(bool ok) {
  absl::MutexLock lock(&mu_);
  write_in_flight_ = false;
  if (ok) {
    state_.OnWritten();
  } else {
    write_failed_ = true;
  }
  changed_ = true;
}

void Agent::OnReadClosed() {
  absl::MutexLock lock(&mu_);
  read_closed_ = true;
  changed_ = true;
}

void Agent::OnDone(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  done_ = status;
}

void Agent::JobLoop() {
  while (true) {
    Attempt* attempt = nullptr;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Agent::JobLoopMayGoOn));
      if (stopping_) {
        return;
      }
      attempt = state_.TakeNext();
    }
    RunAttempt(attempt);
  }
}

void Agent::RunAttempt(Attempt* attempt) {
  {
    absl::MutexLock lock(&mu_);
    if (state_.resident_model() != attempt->spec.model) {
      state_.SetResidentModel("");  // the engine is about to let go of it
    }
  }
  job::AttemptCallbacks callbacks;
  callbacks.on_progress = [this, attempt](const job::Progress& progress) {
    absl::MutexLock lock(&mu_);
    if (progress.stage != job::Stage::kLoad) {
      state_.SetResidentModel(attempt->spec.model);
    }
    attempt->SetProgress(progress);
    changed_ = true;
  };
  callbacks.on_predictions = [this, attempt](const std::vector<evaluate::Prediction>& predictions) {
    for (const evaluate::Prediction& prediction : predictions) {
      RWKU_RETURN_IF_ERROR(AddPrediction(attempt, ToProto(prediction)));
    }
    return absl::OkStatus();
  };
  callbacks.on_texts = [this, attempt](const std::vector<corpus::Text>& texts) {
    for (const corpus::Text& text : texts) {
      RWKU_RETURN_IF_ERROR(AddPrediction(attempt, ToProto(text)));
    }
    return absl::OkStatus();
  };
  const absl::StatusOr<job::AttemptResult> result =
      runner_(attempt->spec, callbacks, attempt->cancel);
  absl::MutexLock lock(&mu_);
  state_.OnAttemptEnd(attempt, result, clock_->Monotonic());
  changed_ = true;
}

absl::Status Agent::AddPrediction(Attempt* attempt, const v1::Prediction& prediction) {
  const auto may_go_on = [attempt] {
    return attempt->cancel.cancelled() || !attempt->outbox.Full();
  };
  absl::MutexLock lock(&mu_);
  attempt->waits_for_room = true;
  mu_.Await(absl::Condition(&may_go_on));
  attempt->waits_for_room = false;
  RWKU_RETURN_IF_ERROR(attempt->cancel.Check());
  RWKU_RETURN_IF_ERROR(attempt->outbox.Add(prediction));
  attempt->SetAlive();
  changed_ = true;
  return absl::OkStatus();
}

}  // namespace rwku::agent
