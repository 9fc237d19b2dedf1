#include "tests/simulation/sim_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tests/simulation/checker.h"
#include "tests/simulation/sim_coordinator.h"

namespace rwku::simulation {
namespace {

constexpr absl::Duration kBeat = absl::Seconds(4);
// Of an exchange between ranks.
constexpr absl::Duration kGangTimeout = absl::Seconds(10);

}  // namespace

using scheduler::FailureClass;
using scheduler::Lease;

SimWorker::SimWorker(World& world, SimCoordinator& coordinator, WorkerId id)
    : world_(world), coordinator_(coordinator), id_(std::move(id)) {}

void SimWorker::InProcess(std::function<void()> callback) {
  if (!up_) {
    return;
  }
  if (world_.now() >= paused_until_) {
    callback();
    return;
  }
  world_.At(paused_until_, [this, process = incarnation_, callback = std::move(callback)] {
    if (up_ && process == incarnation_) {
      InProcess(callback);
    }
  });
}

void SimWorker::Start() {
  up_ = true;
  ++incarnation_;
  attempt_.reset();
  draining_ = false;
  resident_.clear();
  paused_until_ = absl::ZeroDuration();
  Connect();
  world_.After(kBeat, [this, process = incarnation_] {
    if (up_ && process == incarnation_) {
      Beat();
    }
  });
}

void SimWorker::Crash(absl::Duration down) {
  if (!up_) {
    return;
  }
  up_ = false;
  world_.Trace(absl::StrCat("crash ", id_.value()));
  world_.Send([this, session = session_] { coordinator_.OnStreamBroken(id_, session); });
  world_.After(down, [this] { Start(); });
}

void SimWorker::Drain() {
  if (!up_) {
    return;
  }
  coordinator_.Post(session_, scheduler::WorkerDraining{id_, Leases()});
  Crash(absl::Seconds(3));
}

void SimWorker::Connect() {
  session_ = coordinator_.NewSession();
  welcome_ = false;
  scheduler::WorkerConnected hello;
  hello.worker = id_;
  hello.incarnation = absl::StrCat(incarnation_);
  hello.leases = Leases();
  hello.resident_models = resident_;
  hello.draining = draining_;
  hello.gang_kind = "cpu";
  hello.gang_address = absl::StrCat(id_.value(), ":7460");
  coordinator_.PostHello(session_, hello);
}

std::vector<Lease> SimWorker::Leases() const {
  return attempt_ ? std::vector<Lease>{attempt_->lease} : std::vector<Lease>();
}

void SimWorker::Beat() {
  InProcess([this] {
    if (!welcome_) {
      Connect();
    } else {
      coordinator_.Post(session_, scheduler::WorkerHeartbeat{id_, Leases(), resident_});
      if (attempt_ && attempt_->ended) {
        Report();
      }
    }
    world_.After(kBeat, [this, process = incarnation_] {
      if (up_ && process == incarnation_) {
        Beat();
      }
    });
  });
}

void SimWorker::OnWelcome(uint64_t session, const std::vector<Lease>& kept) {
  InProcess([this, session, kept] {
    if (session != session_) {
      return;
    }
    welcome_ = true;
    // What was assigned on this stream after the hello is not in the list. Its message may be here
    // first: a real stream keeps the order, this network does not.
    if (attempt_ && !attempt_->ended && attempt_->session != session &&
        std::find(kept.begin(), kept.end(), attempt_->lease) == kept.end()) {
      attempt_.reset();
    }
    EndIfDrained();
  });
}

void SimWorker::OnDrain(uint64_t session) {
  InProcess([this, session] {
    if (session == session_) {
      draining_ = true;
      EndIfDrained();
    }
  });
}

void SimWorker::EndIfDrained() {
  if (draining_ && !attempt_) {
    Crash(absl::Seconds(3));
  }
}

bool SimWorker::TakesPart(const Lease& lease) const {
  return up_ && world_.now() >= paused_until_ && attempt_ && attempt_->lease == lease;
}

void SimWorker::OnAssign(uint64_t session, const scheduler::Assign& assign,
                         const scheduler::JobRecord& job) {
  InProcess([this, session, assign, job] {
    const Lease& lease = assign.lease;
    if (session != session_ || (attempt_ && attempt_->lease == lease)) {
      return;
    }
    attempt_ = Attempt{
        lease, job.payload, session, assign.world_size, assign.rank, world_.now() + kGangTimeout,
        false, std::nullopt};
    if (resident_ != std::vector<std::string>{job.model}) {
      resident_ = {job.model};
      ++model_loads_;
    }
    world_.After(absl::Milliseconds(500 + world_.random().Below(7'000)),
                 [this, process = incarnation_, lease] {
                   if (up_ && process == incarnation_) {
                     InProcess([this, lease] { End(lease); });
                   }
                 });
  });
}

void SimWorker::End(const Lease& lease) {
  if (!attempt_ || !(attempt_->lease == lease) || attempt_->ended) {
    return;
  }
  if (attempt_->rank == 0 && !coordinator_.AllTakePart(lease, attempt_->world_size)) {
    if (world_.now() < attempt_->give_up_at) {
      world_.After(absl::Seconds(1), [this, process = incarnation_, lease] {
        if (up_ && process == incarnation_) {
          InProcess([this, lease] { End(lease); });
        }
      });
      return;
    }
    attempt_->failure = FailureClass::kInfrastructure;
  }
  attempt_->ended = true;
  if (attempt_->failure) {
    world_.CountFault("gang timeout");
  } else if (IsBadInput(attempt_->payload)) {
    attempt_->failure = FailureClass::kInput;
  } else if (world_.Fault("attempt failure", 100)) {
    constexpr FailureClass kClasses[] = {FailureClass::kInfrastructure, FailureClass::kResource,
                                         FailureClass::kNumeric, FailureClass::kInternal,
                                         FailureClass::kInternal};
    attempt_->failure = kClasses[world_.random().Below(std::size(kClasses))];
  }
  Report();
}

void SimWorker::Report() {
  const Lease& lease = attempt_->lease;
  if (attempt_->failure) {
    coordinator_.Post(session_,
                      scheduler::AttemptFailed{id_, lease, *attempt_->failure, "it failed"});
    return;
  }
  if (attempt_->rank > 0) {
    return;  // rank 0 tells the result
  }
  int sequence = 0;
  for (const std::vector<std::string>& predictions : ExpectedChunks(attempt_->payload)) {
    coordinator_.PostChunk(
        session_, id_,
        store::PredictionChunk{lease.job, lease.fencing_token, sequence++, predictions});
  }
  coordinator_.Post(session_,
                    scheduler::AttemptCompleted{id_, lease, ExpectedResult(attempt_->payload)});
}

void SimWorker::OnRevoke(uint64_t session, const Lease& lease) {
  InProcess([this, session, lease] {
    if (session == session_ && attempt_ && attempt_->lease == lease) {
      attempt_.reset();
      EndIfDrained();
    }
  });
}

void SimWorker::OnAnswer(uint64_t session, const Lease& lease) { OnRevoke(session, lease); }

void SimWorker::OnClosed(uint64_t session) {
  InProcess([this, session] {
    if (session == session_) {
      Connect();
    }
  });
}

}  // namespace rwku::simulation
