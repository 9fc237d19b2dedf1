#include "server/coordinator/coordinator.h"

#include <algorithm>
#include <iterator>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/log.h"
#include "base/status_macros.h"

namespace rwku::coordinator {
namespace {

using scheduler::Lease;

// The timer looks at the clock far more often than this: a longer gap was a pause of the process. A
// pause that is too short to be noticed must leave a lease time for the heartbeats that waited.
absl::Duration PauseThatIsNoticed(const Options& options) {
  constexpr int kTicks = 4;
  return std::max(std::min(absl::Seconds(2), options.scheduler.lease_duration / 3),
                  kTicks * options.tick_interval);
}

// What a parked message costs beside its content.
constexpr size_t kParkedOverhead = 256;

constexpr char kDiskFull[] = "the coordinator's disk is full";

bool Revokes(const std::vector<scheduler::Command>& commands, const WorkerId& worker,
             const Lease& lease) {
  return std::any_of(commands.begin(), commands.end(), [&](const scheduler::Command& command) {
    const auto* revoke = std::get_if<scheduler::Revoke>(&command);
    return revoke != nullptr && revoke->worker == worker && revoke->lease == lease;
  });
}

size_t BytesOf(const store::PredictionChunk& chunk) {
  size_t bytes = 0;
  for (const std::string& prediction : chunk.predictions) {
    bytes += prediction.size();
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(Options options,
                                                                 store::Store* store,
                                                                 const Clock* clock) {
  RWKU_ASSIGN_OR_RETURN(scheduler::PersistentState state, store->Load());
  return std::unique_ptr<Coordinator>(
      new Coordinator(std::move(options), store, clock, std::move(state)));
}

Coordinator::Coordinator(Options options, store::Store* store, const Clock* clock,
                         scheduler::PersistentState state)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      last_looked_(clock->Monotonic()),
      scheduler_(std::make_unique<scheduler::Scheduler>(
          options_.scheduler, std::move(state), scheduler::Now{last_looked_, clock->Now()})),
      retry_delay_(options_.retry_interval) {
  commit_thread_ = std::thread([this] { CommitLoop(); });
  if (options_.tick_interval > absl::ZeroDuration()) {
    timer_thread_ = std::thread([this] { TimerLoop(); });
  }
}

Coordinator::~Coordinator() { Stop(); }

// --- Steps. ---

scheduler::Now Coordinator::Now() {
  const absl::Duration now = clock_->Monotonic();
  if (options_.tick_interval > absl::ZeroDuration() &&
      now - last_looked_ > PauseThatIsNoticed(options_)) {
    paused_ += now - last_looked_;
    RWKU_LOG(kWarning, "the process stood still: leases last longer by as much")
        .With("seconds", absl::ToDoubleSeconds(now - last_looked_));
  }
  last_looked_ = now;
  return {now - paused_, clock_->Now()};
}

absl::Status Coordinator::NotReady() const {
  return mode_ == Mode::kRunning ? absl::OkStatus() : trouble_;
}

std::shared_ptr<WorkerSession> Coordinator::SessionOf(const WorkerId& worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : found->second.session;
}

void Coordinator::AddCommand(const scheduler::Command& command, Entry* entry) {
  // A message goes to the stream that was open when it was decided: a later stream of the worker
  // begins with a Hello, upon which the scheduler decides again.
  if (const auto* assign = std::get_if<scheduler::Assign>(&command)) {
    const scheduler::JobRecord* job = scheduler_->FindJob(assign->lease.job);
    std::shared_ptr<WorkerSession> session = SessionOf(assign->worker);
    if (session == nullptr || job == nullptr) {
      return;  // the lease expires
    }
    entry->granted.emplace_back(assign->worker, assign->lease);
    AssignMessage message{assign->lease,      job->payload, job->resource_failures,
                          assign->world_size, assign->rank, assign->rendezvous};
    entry->deliveries.emplace_back(
        [session = std::move(session), message, worker = assign->worker] {
          RWKU_LOG(kInfo, "lease granted")
              .With("job", message.lease.job.value())
              .With("token", message.lease.fencing_token)
              .With("worker", worker.value())
              .With("rank", static_cast<uint64_t>(message.rank))
              .With("world_size", static_cast<uint64_t>(message.world_size));
          session->Send(message);
        });
  } else if (const auto* release = std::get_if<scheduler::Release>(&command)) {
    entry->ended.emplace_back(release->worker, release->lease);
    if (std::shared_ptr<WorkerSession> session = SessionOf(release->worker)) {
      entry->deliveries.emplace_back([session = std::move(session), lease = release->lease] {
        session->Send(ResultAckMessage{lease});
      });
    }
  } else if (const auto* revoke = std::get_if<scheduler::Revoke>(&command)) {
    entry->ended.emplace_back(revoke->worker, revoke->lease);
    if (std::shared_ptr<WorkerSession> session = SessionOf(revoke->worker)) {
      RevokeMessage message{revoke->lease, revoke->reason};
      entry->deliveries.emplace_back(
          [session = std::move(session), message, worker = revoke->worker] {
            RWKU_LOG(kInfo, "lease revoked")
                .With("job", message.lease.job.value())
                .With("token", message.lease.fencing_token)
                .With("worker", worker.value())
                .With("reason", message.reason);
            session->Send(message);
          });
    }
  } else if (const auto* drain = std::get_if<scheduler::Drain>(&command)) {
    if (std::shared_ptr<WorkerSession> session = SessionOf(drain->worker)) {
      entry->deliveries.emplace_back(
          [session = std::move(session)] { session->Send(DrainMessage{}); });
    }
  }
}

void Coordinator::Refuse(const WorkerId& worker, const Lease& lease, const absl::Status& why,
                         Entry* entry) {
  AddCommand(scheduler::Revoke{worker, lease, std::string(why.message())}, entry);
  if (options_.on_lease_refused != nullptr) {
    options_.on_lease_refused();
  }
}

scheduler::Decision Coordinator::StepInto(const scheduler::Event& event, Entry* entry) {
  scheduler::Decision decision = scheduler_->Step(event, Now());
  for (scheduler::StateChange& change : decision.changes) {
    entry->batch.changes.push_back(std::move(change));
  }
  decision.changes.clear();
  for (const scheduler::Command& command : decision.commands) {
    AddCommand(command, entry);
  }
  return decision;
}

// --- Clients. ---

void Coordinator::SubmitRun(scheduler::RunRecord run, std::vector<scheduler::JobRecord> jobs,
                            const SubmitReply& reply) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mu_);
    refused = NotReady();
    if (refused.ok()) {
      Entry entry;
      // Revisions only grow and are never used twice, so neither is an id.
      run.id = RunId(absl::StrFormat("r%08x", scheduler_->revision() + 1));
      const scheduler::RunRecord* known =
          run.request_id.empty() ? nullptr : scheduler_->FindRunByRequestId(run.request_id);
      const RunId id = known == nullptr ? run.id : known->id;
      for (scheduler::JobRecord& job : jobs) {
        job.run = run.id;
        job.id = JobId(absl::StrCat(run.id.value(), "/", job.index));
      }
      const size_t job_count = jobs.size();
      const bool is_new = known == nullptr;
      const absl::Status verdict =
          StepInto(scheduler::RunSubmitted{std::move(run), std::move(jobs)}, &entry).verdict;
      // Behind the commands: a worker may hear of its job before the client of its run.
      entry.deliveries.emplace_back([reply, verdict, id, job_count, is_new] {
        if (verdict.ok() && is_new) {
          RWKU_LOG(kInfo, "run created")
              .With("run", id.value())
              .With("jobs", static_cast<uint64_t>(job_count));
        }
        reply(verdict.ok() ? absl::StatusOr<RunId>(id) : absl::StatusOr<RunId>(verdict));
      });
      entry.failed = [reply](const absl::Status& status) { reply(status); };
      queue_.push_back(std::move(entry));
      return;
    }
  }
  reply(refused);
}

void Coordinator::Apply(scheduler::Event event, const Reply& reply) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mu_);
    refused = NotReady();
    if (refused.ok()) {
      Entry entry;
      const absl::Status verdict = StepInto(event, &entry).verdict;
      if (const auto* draining = std::get_if<scheduler::WorkerDraining>(&event);
          draining != nullptr && verdict.ok()) {
        NoteDrainAsked(draining->worker, &entry);
      }
      entry.deliveries.emplace_back([reply, verdict] { reply(verdict); });
      entry.failed = reply;
      queue_.push_back(std::move(entry));
      return;
    }
  }
  reply(refused);
}

void Coordinator::NoteDrainAsked(const WorkerId& worker, Entry* entry) {
  const auto known = workers_.find(worker);
  if (known == workers_.end()) {
    return;
  }
  entry->deliveries.emplace_back([this, worker, incarnation = known->second.incarnation] {
    absl::MutexLock lock(&mu_);
    const auto found = workers_.find(worker);
    if (found != workers_.end() && found->second.incarnation == incarnation) {
      found->second.drain_asked = true;
    }
  });
}

void Coordinator::ReplaceResult(const scheduler::ResultReplaced& event,
                                std::vector<store::PredictionChunk> chunks, const Reply& reply) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mu_);
    refused = NotReady();
    if (refused.ok()) {
      Entry entry;
      const absl::Status verdict = StepInto(event, &entry).verdict;
      if (verdict.ok()) {
        entry.batch.chunks = std::move(chunks);
      }
      entry.deliveries.emplace_back([reply, verdict] { reply(verdict); });
      entry.failed = reply;
      queue_.push_back(std::move(entry));
      return;
    }
  }
  reply(refused);
}

void Coordinator::Read(const Reader& reader, const Reply& failed) {
  absl::Status refused;
  std::function<void()> now;
  {
    absl::MutexLock lock(&mu_);
    const auto again = [this, reader, failed] { Read(reader, failed); };
    switch (mode_) {
      case Mode::kRunning:
      case Mode::kFrozen:
        now = reader(View{*scheduler_, workers_});
        if (!queue_.empty() || committing_) {
          Entry entry;
          entry.deliveries.push_back(std::move(now));
          entry.failed = failed;
          entry.again = again;
          queue_.push_back(std::move(entry));
          return;
        }
        break;
      case Mode::kRebuilding: {
        Entry entry;
        entry.deliveries.emplace_back(again);
        entry.failed = failed;
        queue_.push_back(std::move(entry));
        return;
      }
      case Mode::kFatal:
      case Mode::kStopped:
        refused = trouble_;
        break;
    }
  }
  if (refused.ok()) {
    now();
  } else {
    failed(refused);
  }
}

void Coordinator::Peek(const std::function<void(const View&)>& look) {
  absl::MutexLock lock(&mu_);
  look(View{*scheduler_, workers_});
}

// --- Workers. ---

bool Coordinator::IsCurrent(const WorkerId& worker,
                            const std::shared_ptr<WorkerSession>& session) const {
  const auto found = workers_.find(worker);
  return found != workers_.end() && found->second.session == session;
}

void Coordinator::Park(std::function<void()> again, size_t bytes,
                       const std::shared_ptr<WorkerSession>& session) {
  bytes += kParkedOverhead;
  if (parked_bytes_ + bytes > options_.max_parked_bytes) {
    overfull_.emplace_back(
        session, absl::ResourceExhaustedError(absl::StrCat(kDiskFull, " and holds back ",
                                                           parked_bytes_, " bytes of messages")));
    return;
  }
  parked_bytes_ += bytes;
  parked_.push_back({std::move(again), bytes, session});
}

void Coordinator::DropParked(const std::shared_ptr<WorkerSession>& session) {
  std::erase_if(parked_, [&](const Parked& parked) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (parked.session != session) {
      return false;
    }
    parked_bytes_ -= parked.bytes;
    return true;
  });
}

void Coordinator::CloseOverfull() {
  std::vector<std::pair<std::shared_ptr<WorkerSession>, absl::Status>> closing;
  {
    absl::MutexLock lock(&mu_);
    closing.swap(overfull_);
  }
  for (const auto& [session, status] : closing) {
    session->Close(status);
  }
}

bool Coordinator::AdmitOrPark(const WorkerId& worker, const std::shared_ptr<WorkerSession>& session,
                              const std::function<void()>& again, size_t bytes) {
  if (!IsCurrent(worker, session)) {
    return false;
  }
  if (mode_ == Mode::kRebuilding || mode_ == Mode::kFrozen) {
    Park(again, bytes, session);
    return false;
  }
  return mode_ == Mode::kRunning;
}

bool Coordinator::IsAliveElsewhere(const WorkerInfo& info, const std::string& incarnation) {
  return info.session != nullptr && info.incarnation != incarnation &&
         Now().monotonic - info.last_heard < options_.scheduler.lease_duration;
}

std::vector<SessionMessage> Coordinator::FrozenWelcome(
    const scheduler::WorkerConnected& event) const {
  WelcomeMessage welcome;
  std::vector<SessionMessage> messages;
  for (const Lease& lease : event.leases) {
    if (const absl::Status status = scheduler_->CheckLease(event.worker, lease); status.ok()) {
      welcome.kept.push_back(lease);
    } else {
      messages.emplace_back(RevokeMessage{lease, std::string(status.message())});
    }
  }
  messages.insert(messages.begin(), std::move(welcome));
  return messages;
}

void Coordinator::Connect(scheduler::WorkerConnected event, std::string details,
                          const std::shared_ptr<WorkerSession>& session) {
  std::shared_ptr<WorkerSession> replaced;
  absl::Status refused;
  std::vector<SessionMessage> answers;
  {
    absl::MutexLock lock(&mu_);
    const auto known = workers_.find(event.worker);
    if (mode_ == Mode::kFatal || mode_ == Mode::kStopped) {
      refused = trouble_;
    } else if (known != workers_.end() && IsAliveElsewhere(known->second, event.incarnation)) {
      refused = absl::AlreadyExistsError(
          absl::StrCat("worker \"", event.worker.value(),
                       "\" is connected from another process; give each worker its own name"));
    } else {
      const absl::Duration forget = Now().monotonic - options_.scheduler.worker_memory;
      std::erase_if(workers_, [&](const auto& entry) {
        return entry.first != event.worker && entry.second.session == nullptr &&
               entry.second.last_heard < forget;
      });
      WorkerInfo& info = workers_[event.worker];
      if (info.session != session) {
        replaced = std::move(info.session);
        DropParked(replaced);
      }
      event.drain_asked = info.incarnation == event.incarnation && info.drain_asked;
      info.session = session;
      info.incarnation = event.incarnation;
      info.details = details;
      info.last_heartbeat = clock_->Now();
      info.last_heard = Now().monotonic;
      info.resident_models = event.resident_models;
      info.gang_kind = event.gang_kind;
      info.gang_address = event.gang_address;
      info.leases = event.leases;
      info.draining = event.draining;
      info.drain_asked = event.drain_asked;
      info.welcomed = mode_ != Mode::kRebuilding;
      if (mode_ == Mode::kFrozen) {
        answers = FrozenWelcome(event);
      } else {
        QueueConnection(event, std::move(details), session);
      }
    }
  }
  if (replaced != nullptr) {
    replaced->Close(absl::AbortedError(absl::StrCat(
        "a newer connection of worker \"", event.worker.value(), "\" took this one's place")));
  }
  for (SessionMessage& answer : answers) {
    session->Send(std::move(answer));
  }
  if (!refused.ok()) {
    session->Close(refused);
  }
}

void Coordinator::QueueConnection(const scheduler::WorkerConnected& event, std::string details,
                                  const std::shared_ptr<WorkerSession>& session) {
  Entry entry;
  entry.session = session;
  entry.again = [this, event, details = std::move(details), session] {
    {
      absl::MutexLock lock(&mu_);
      if (!IsCurrent(event.worker, session)) {
        return;
      }
    }
    Connect(event, details, session);
  };
  entry.failed = [session](const absl::Status& status) { session->Close(status); };
  if (mode_ == Mode::kRebuilding) {
    entry.deliveries.push_back(entry.again);
  } else {
    // Welcome comes before what is assigned.
    Entry commands;
    const scheduler::Decision decision = StepInto(event, &commands);
    entry.batch = std::move(commands.batch);
    entry.granted = std::move(commands.granted);
    entry.ended = std::move(commands.ended);
    entry.deliveries.emplace_back(
        [session, kept = decision.kept_leases] { session->Send(WelcomeMessage{kept}); });
    std::move(commands.deliveries.begin(), commands.deliveries.end(),
              std::back_inserter(entry.deliveries));
  }
  queue_.push_back(std::move(entry));
}

void Coordinator::Disconnect(const WorkerId& worker,
                             const std::shared_ptr<WorkerSession>& session) {
  absl::MutexLock lock(&mu_);
  if (!IsCurrent(worker, session)) {
    return;
  }
  WorkerInfo& info = workers_[worker];
  info.session = nullptr;
  DropParked(session);
  if (mode_ == Mode::kRunning) {
    Entry entry;
    StepInto(scheduler::WorkerDisconnected{worker, info.incarnation}, &entry);
    queue_.push_back(std::move(entry));
  }
  // Otherwise the scheduler is made anew, and knows connected workers only.
}

void Coordinator::Heartbeat(scheduler::WorkerHeartbeat event,
                            const std::shared_ptr<WorkerSession>& session) {
  absl::MutexLock lock(&mu_);
  if (!IsCurrent(event.worker, session)) {
    return;
  }
  WorkerInfo& info = workers_[event.worker];
  info.last_heartbeat = clock_->Now();
  info.last_heard = Now().monotonic;
  info.resident_models = event.resident_models;
  // A frozen coordinator lets no lease expire, so there is nothing to extend.
  if (mode_ == Mode::kRunning) {
    Entry entry;
    StepInto(event, &entry);
    if (!entry.batch.empty() || !entry.deliveries.empty()) {
      queue_.push_back(std::move(entry));
    }
  }
}

void Coordinator::ReportProgress(const WorkerId& worker, const Lease& lease, std::string payload,
                                 const std::shared_ptr<WorkerSession>& session) {
  RunId run;
  {
    absl::MutexLock lock(&mu_);
    if (!IsCurrent(worker, session) || mode_ != Mode::kRunning) {
      return;
    }
    if (const absl::Status status = scheduler_->CheckResultLease(worker, lease); !status.ok()) {
      Entry entry;
      Refuse(worker, lease, status, &entry);
      queue_.push_back(std::move(entry));
      return;
    }
    run = scheduler_->FindJob(lease.job)->run;
    progress_.Put(run, ProgressRecord{lease, worker, std::move(payload), 0});
  }
  hub_.NotifyChange(run);
}

void Coordinator::StoreChunk(const WorkerId& worker, store::PredictionChunk chunk,
                             const std::shared_ptr<WorkerSession>& session) {
  const Lease lease{chunk.job, chunk.fencing_token};
  const int sequence = chunk.sequence;
  const size_t bytes = BytesOf(chunk);
  const absl::Cleanup close = [this] { CloseOverfull(); };
  absl::MutexLock lock(&mu_);
  const auto again = [this, worker, chunk, session] { StoreChunk(worker, chunk, session); };
  if (!AdmitOrPark(worker, session, again, bytes)) {
    return;
  }
  Entry entry;
  // A lease that ends later puts its EraseAttempt behind this chunk.
  if (const absl::Status status = scheduler_->CheckResultLease(worker, lease); !status.ok()) {
    Refuse(worker, lease, status, &entry);
  } else {
    entry.again = again;
    entry.bytes = bytes;
    entry.session = session;
    entry.batch.chunks.push_back(std::move(chunk));
    entry.deliveries.emplace_back([session, lease, sequence] {
      session->Send(ChunkAckMessage{lease, sequence});
    });
  }
  queue_.push_back(std::move(entry));
}

void Coordinator::AttemptEnded(const WorkerId& worker, const Lease& lease,
                               const scheduler::Event& event, std::function<void()> again,
                               size_t bytes, const std::shared_ptr<WorkerSession>& session) {
  const absl::Cleanup close = [this] { CloseOverfull(); };
  absl::MutexLock lock(&mu_);
  if (!AdmitOrPark(worker, session, again, bytes)) {
    return;
  }
  Entry entry;
  entry.again = std::move(again);
  entry.bytes = bytes;
  entry.session = session;
  // The answer goes before what the worker is assigned next.
  Entry commands;
  const scheduler::Decision decision = StepInto(event, &commands);
  entry.batch = std::move(commands.batch);
  entry.granted = std::move(commands.granted);
  entry.ended = std::move(commands.ended);
  if (decision.verdict.ok()) {
    entry.ended.emplace_back(worker, lease);
    entry.deliveries.emplace_back([session, lease] { session->Send(ResultAckMessage{lease}); });
  } else if (!Revokes(decision.commands, worker, lease)) {
    Refuse(worker, lease, decision.verdict, &entry);
  } else if (options_.on_lease_refused != nullptr) {
    options_.on_lease_refused();
  }
  std::move(commands.deliveries.begin(), commands.deliveries.end(),
            std::back_inserter(entry.deliveries));
  queue_.push_back(std::move(entry));
}

void Coordinator::Complete(scheduler::AttemptCompleted event, int chunks,
                           const std::shared_ptr<WorkerSession>& session) {
  const WorkerId worker = event.worker;
  const Lease lease = event.lease;
  // Every chunk was acknowledged, so it is on disk, not in the queue.
  const absl::StatusOr<int> stored = store_->CountChunks(lease.job, lease.fencing_token);
  if (absl::IsDataLoss(stored.status())) {
    StoreIsLost(stored.status());
    return;
  }
  if (!stored.ok() || *stored != chunks) {
    RWKU_LOG(kError, "result refused: its predictions are not complete")
        .With("job", lease.job.value())
        .With("token", lease.fencing_token)
        .With("worker", worker.value());
    Fail({worker, lease, scheduler::FailureClass::kInfrastructure,
          stored.ok() ? absl::StrCat("the attempt said that it sent ", chunks, " chunks, but ",
                                     *stored, " are stored")
                      : std::string(stored.status().message())},
         session);
    return;
  }
  const size_t bytes = event.result.size();
  const auto again = [this, event, chunks, session] { Complete(event, chunks, session); };
  AttemptEnded(worker, lease, std::move(event), again, bytes, session);
}

void Coordinator::Fail(scheduler::AttemptFailed event,
                       const std::shared_ptr<WorkerSession>& session) {
  RWKU_LOG(kWarning, "attempt failed")
      .With("job", event.lease.job.value())
      .With("token", event.lease.fencing_token)
      .With("worker", event.worker.value())
      .With("message", event.message);
  const WorkerId worker = event.worker;
  const Lease lease = event.lease;
  const size_t bytes = event.message.size();
  const auto again = [this, event, session] { Fail(event, session); };
  AttemptEnded(worker, lease, std::move(event), again, bytes, session);
}

void Coordinator::StoreIsLost(const absl::Status& loss) {
  absl::MutexLock lock(&mu_);
  if (mode_ != Mode::kFatal && mode_ != Mode::kStopped) {
    loss_ = loss;
  }
}

void Coordinator::WorkerDrains(scheduler::WorkerDraining event,
                               const std::shared_ptr<WorkerSession>& session) {
  const absl::Cleanup close = [this] { CloseOverfull(); };
  absl::MutexLock lock(&mu_);
  const auto again = [this, event, session] { WorkerDrains(event, session); };
  if (IsCurrent(event.worker, session)) {
    workers_[event.worker].draining = true;
  }
  if (!AdmitOrPark(event.worker, session, again, 0)) {
    return;
  }
  Entry entry;
  entry.again = again;
  entry.session = session;
  for (const Lease& lease : event.released) {
    entry.ended.emplace_back(event.worker, lease);
  }
  StepInto(event, &entry);
  queue_.push_back(std::move(entry));
}

std::vector<ProgressRecord> Coordinator::ProgressSince(const RunId& run, uint64_t version) {
  absl::MutexLock lock(&mu_);
  return progress_.Since(run, version);
}

void Coordinator::Tick() {
  absl::MutexLock lock(&mu_);
  const absl::Duration now = Now().monotonic;  // in every mode, so that no pause is made up
  if (mode_ != Mode::kRunning || scheduler_->NextDeadline() > now) {
    return;
  }
  Entry entry;
  StepInto(scheduler::Tick{}, &entry);
  queue_.push_back(std::move(entry));
}

absl::Status Coordinator::Ready() {
  absl::MutexLock lock(&mu_);
  return NotReady();
}

}  // namespace rwku::coordinator
