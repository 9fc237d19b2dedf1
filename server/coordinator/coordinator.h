// The coordinator: owns the mutex, the clock and the commit thread around the pure scheduler.
//
//   event -> [mu_] scheduler.Step -> queue -> commit thread: one synced Store::Commit of everything
//   queued -> commands to workers, news to watchers, answers to callers, in the order of the queue
//
// Nothing is sent or answered before the state behind it is on disk. Reads are answered in the same
// order: they never show what a crash could take back.
//
// When the disk is full, the coordinator goes back to what is stored and freezes: reads and
// heartbeats go on, clients' changes are refused with RESOURCE_EXHAUSTED, what workers said is kept
// and taken in once the store has room. When the store is corrupt or a write failed half-way,
// `on_fatal` is called and nothing is acknowledged any more.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "server/coordinator/progress_map.h"
#include "server/coordinator/session.h"
#include "server/coordinator/watch_hub.h"
#include "server/scheduler/scheduler.h"
#include "server/store/store.h"

namespace rwku::coordinator {

struct Options {
  scheduler::Options scheduler;
  // The timer looks for expired leases and back-offs this often; well below 2 s and a lease. Zero:
  // no timer, and the clock is taken as it is; tests call Tick().
  absl::Duration tick_interval = absl::Milliseconds(50);
  // A frozen coordinator tries the store again after this long; doubles up to the limit.
  absl::Duration retry_interval = absl::Seconds(1);
  absl::Duration retry_limit = absl::Seconds(15);
  // Bytes of workers' messages kept for a frozen store; beyond, the worker's stream is closed.
  size_t max_parked_bytes = size_t{64} << 20U;
  // Called once, on the commit thread, when the store is lost. The process should end.
  std::function<void(const absl::Status&)> on_fatal;
  // Called on the commit thread when changes are no longer taken (full disk), and when they are
  // again.
  std::function<void(bool ready)> on_ready;
  // Called, under the mutex, when a worker speaks for a lease that is over.
  std::function<void()> on_lease_refused;
};

// A worker that is or was connected since the start of this process.
struct WorkerInfo {
  std::string incarnation;
  std::string details;  // the service's serialized Hello
  absl::Time last_heartbeat;
  absl::Duration last_heard;  // likewise, in the scheduler's time
  std::vector<std::string> resident_models;
  std::vector<scheduler::Lease> leases;  // granted and not ended, as far as the worker was told
  std::string gang_kind;                 // as in WorkerConnected
  std::string gang_address;              // likewise
  bool draining = false;                 // said by the worker
  bool drain_asked = false;  // of this process, by an operator whom that was confirmed to
  std::shared_ptr<WorkerSession> session;  // null while disconnected
  bool welcomed = false;                   // the session has its Welcome, at least queued
};

// What a read sees; valid during the call.
struct View {
  const scheduler::Scheduler& scheduler;
  const std::map<WorkerId, WorkerInfo>& workers;
};

// Thread-safe. Callbacks run on the commit thread, or on the calling one where nothing has to be
// waited for; never with a lock held. They must not block.
class Coordinator {
 public:
  using Reply = std::function<void(const absl::Status&)>;
  using SubmitReply = std::function<void(absl::StatusOr<RunId>)>;
  // Runs under the mutex: copies what it needs and returns what is to be called afterwards.
  using Reader = std::function<std::function<void()>(const View&)>;

  // Loads the state. `store` and `clock` outlive the coordinator. Errors are the store's.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(Options options, store::Store* store,
                                                             const Clock* clock);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // --- Clients. ---

  // Gives the run and its jobs ids, and stores them. A run with the same request id and digest is
  // returned instead, one with another digest is ALREADY_EXISTS.
  void SubmitRun(scheduler::RunRecord run, std::vector<scheduler::JobRecord> jobs,
                 const SubmitReply& reply);
  // Takes in RunCancelRequested, RunDeleteRequested, JobRetryRequested or WorkerDraining; answers
  // with the scheduler's verdict once it is durable.
  void Apply(scheduler::Event event, const Reply& reply);
  // Puts a result with its predictions' new scores in the place of a succeeded job's, all at once.
  // `chunks` are all of the attempt. Answers like Apply.
  void ReplaceResult(const scheduler::ResultReplaced& event,
                     std::vector<store::PredictionChunk> chunks, const Reply& reply);
  // Answers with durable state. `failed` gets UNAVAILABLE at shutdown or the fatal error.
  void Read(const Reader& reader, const Reply& failed);
  // Shows the state as it is now, also what a crash could still take back: for gauges, which must
  // not wait for the disk. `look` runs under the mutex, before this returns.
  void Peek(const std::function<void(const View&)>& look);

  // --- Workers. `session` is the one that Connect was given; calls of a replaced one are ignored.

  // `details` are kept for display. An open session of the same process is closed in favour of the
  // new one. One of another process that was heard within a lease stays, and `session` is closed
  // with ALREADY_EXISTS: two processes of one name must not take each other's jobs.
  void Connect(scheduler::WorkerConnected event, std::string details,
               const std::shared_ptr<WorkerSession>& session);
  void Disconnect(const WorkerId& worker, const std::shared_ptr<WorkerSession>& session);
  void Heartbeat(scheduler::WorkerHeartbeat event, const std::shared_ptr<WorkerSession>& session);
  void ReportProgress(const WorkerId& worker, const scheduler::Lease& lease, std::string payload,
                      const std::shared_ptr<WorkerSession>& session);
  // Acknowledged by ChunkAck once stored.
  void StoreChunk(const WorkerId& worker, store::PredictionChunk chunk,
                  const std::shared_ptr<WorkerSession>& session);
  // `chunks`: how many the attempt sent. If the store does not hold them all, the attempt counts as
  // failed with kInfrastructure. Acknowledged by ResultAck, a stale lease by Revoke.
  void Complete(scheduler::AttemptCompleted event, int chunks,
                const std::shared_ptr<WorkerSession>& session);
  void Fail(scheduler::AttemptFailed event, const std::shared_ptr<WorkerSession>& session);
  // A read of the store that a worker waits for met `loss`: as if a commit had met it.
  void StoreIsLost(const absl::Status& loss);
  void WorkerDrains(scheduler::WorkerDraining event, const std::shared_ptr<WorkerSession>& session);

  // --- Watchers. ---

  WatchHub& watch_hub() { return hub_; }
  std::vector<ProgressRecord> ProgressSince(const RunId& run, uint64_t version);

  // --- Time and life. ---

  // Takes the passing of time in, as the timer does.
  void Tick();
  // OK while changes are taken; otherwise why not. For readiness.
  absl::Status Ready();
  // Ends every worker's and watcher's stream with `status`.
  void CloseStreams(const absl::Status& status);
  // Commits what is queued, refuses what comes later with UNAVAILABLE, ends the threads.
  // Idempotent.
  void Stop();

 private:
  enum class Mode {
    kRunning,
    kRebuilding,  // between a failed commit and a scheduler made anew from the store
    kFrozen,      // waits for room in the store
    kFatal,
    kStopped,
  };

  // A step's outcome on its way to the disk.
  struct Entry {
    store::Batch batch;
    std::vector<std::function<void()>> deliveries;  // after the sync, in order
    Reply failed;                                   // told that it did not happen
    std::function<void()> again;  // done once more on the rebuilt scheduler: at once if `failed` is
                                  // set, too (reads and connections), else once there is room
    size_t bytes = 0;             // that `again` holds
    std::shared_ptr<WorkerSession> session;  // whose message it was, if any
    std::vector<std::pair<WorkerId, scheduler::Lease>> granted;
    std::vector<std::pair<WorkerId, scheduler::Lease>> ended;
  };

  // A worker's message that waits for room in the store.
  struct Parked {
    std::function<void()> again;
    size_t bytes = 0;
    std::shared_ptr<WorkerSession> session;
  };

  Coordinator(Options options, store::Store* store, const Clock* clock,
              scheduler::PersistentState state);

  // The scheduler's time: it stands still while the whole process does (SIGSTOP, a suspended
  // machine), for the heartbeats of that time wait in sockets and say nothing against a worker.
  scheduler::Now Now() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status NotReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null while the worker is not connected.
  std::shared_ptr<WorkerSession> SessionOf(const WorkerId& worker) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the worker that its lease is over.
  void Refuse(const WorkerId& worker, const scheduler::Lease& lease, const absl::Status& why,
              Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Steps and adds the decision's changes and commands to `entry`; the rest of it is returned.
  scheduler::Decision StepInto(const scheduler::Event& event, Entry* entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddCommand(const scheduler::Command& command, Entry* entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Keeps in mind, once the entry is delivered, that the worker's process was asked to drain.
  void NoteDrainAsked(const WorkerId& worker, Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsCurrent(const WorkerId& worker, const std::shared_ptr<WorkerSession>& session) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a process other than `incarnation` holds the worker's name and gives signs of life. The
  // stream of a process that was killed is broken, so that its successor need not wait.
  bool IsAliveElsewhere(const WorkerInfo& info, const std::string& incarnation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a worker's message can be stepped now. If not, it was kept for later or dropped.
  bool AdmitOrPark(const WorkerId& worker, const std::shared_ptr<WorkerSession>& session,
                   const std::function<void()>& again, size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Park(std::function<void()> again, size_t bytes,
            const std::shared_ptr<WorkerSession>& session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Forgets what `session` said: nobody hears the answers, and the worker says it again.
  void DropParked(const std::shared_ptr<WorkerSession>& session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Closes the streams in overfull_, which cannot be done under the mutex.
  void CloseOverfull() ABSL_LOCKS_EXCLUDED(mu_);
  // What a worker that connects to a frozen coordinator is told: the scheduler is that of the
  // store, so its word on the leases is durable.
  std::vector<SessionMessage> FrozenWelcome(const scheduler::WorkerConnected& event) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Steps a worker's Hello and queues its Welcome; while the scheduler is being rebuilt, queues the
  // connecting itself.
  void QueueConnection(const scheduler::WorkerConnected& event, std::string details,
                       const std::shared_ptr<WorkerSession>& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AttemptEnded(const WorkerId& worker, const scheduler::Lease& lease,
                    const scheduler::Event& event, std::function<void()> again, size_t bytes,
                    const std::shared_ptr<WorkerSession>& session);

  void CommitLoop();
  void TimerLoop();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !queue_.empty() || !loss_.ok() || mode_ == Mode::kStopped;
  }
  // What watchers see of a change that is on disk.
  void NoteCommitted(const scheduler::StateChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Deliver(std::vector<Entry>* entries);
  void Freeze(std::vector<Entry>* entries, const absl::Status& status);
  // Takes changes again if the store has room; whether it does.
  bool Thaw();
  // Calls on_ready; never with a lock held.
  void TellReadiness();
  void Fatal(std::vector<Entry>* entries, const absl::Status& status);
  absl::Status Rebuild();

  const Options options_;
  store::Store* const store_;
  const Clock* const clock_;
  WatchHub hub_;

  absl::Mutex mu_;
  absl::Duration last_looked_ ABSL_GUARDED_BY(mu_);  // at the clock, by its own time
  absl::Duration paused_ ABSL_GUARDED_BY(mu_);       // that the scheduler's time leaves out
  std::unique_ptr<scheduler::Scheduler> scheduler_ ABSL_GUARDED_BY(mu_);
  std::map<WorkerId, WorkerInfo> workers_ ABSL_GUARDED_BY(mu_);
  ProgressMap progress_ ABSL_GUARDED_BY(mu_);
  Mode mode_ ABSL_GUARDED_BY(mu_) = Mode::kRunning;
  absl::Status trouble_ ABSL_GUARDED_BY(mu_);  // why mode_ is not kRunning
  std::vector<Entry> queue_ ABSL_GUARDED_BY(mu_);
  bool committing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status loss_ ABSL_GUARDED_BY(mu_);  // found by a read, for the commit thread
  std::deque<Parked> parked_ ABSL_GUARDED_BY(mu_);
  size_t parked_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::pair<std::shared_ptr<WorkerSession>, absl::Status>> overfull_
      ABSL_GUARDED_BY(mu_);
  absl::Duration retry_delay_ ABSL_GUARDED_BY(mu_);

  std::thread commit_thread_;
  std::thread timer_thread_;
};

}  // namespace rwku::coordinator
