// Everything that a worker knows about its leases and its stream, as a pure state machine: messages
// and times in, messages out. Knows no thread, socket or clock; the Agent brings those.
//
// A lease here is  queued -> running -> ended -> acknowledged (gone).  It is *forgotten* when the
// coordinator revokes it or does not keep it in Welcome, when no heartbeat went out for a lease
// duration, or when a drain gives it back: its work is cancelled and nothing more is sent for it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rwku/v1/worker.pb.h"

#include "base/cancel.h"
#include "worker/agent/attempt_outbox.h"
#include "worker/job/attempt.h"

namespace rwku::agent {

struct AgentStateOptions {
  std::string worker;       // stable name
  std::string incarnation;  // new at every start of the process
  std::string version;      // of the binary, for people
  std::vector<v1::Device> devices;
  std::string gang_address;  // host:port for the other ranks of a gang; empty: it joins none
  // As in job::GangPlace.
  absl::Duration gang_timeout = absl::Seconds(60);
  absl::Duration gang_join_timeout = absl::Minutes(30);
  std::string gang_interface;
  OutboxLimits outbox;
  // Progress goes out at most this often; what comes in between replaces what waits.
  absl::Duration progress_interval = absl::Milliseconds(200);
  // An attempt that was given up has to end within this.
  absl::Duration abort_timeout = absl::Seconds(60);
  // An attempt that makes no progress for this long is ended as a failure of the infrastructure.
  absl::Duration stall_timeout = absl::InfiniteDuration();
  // What a worker that cannot go on has to say must be acknowledged within this.
  absl::Duration report_timeout = absl::Seconds(20);
};

// One lease that this worker holds. Made and destroyed by AgentState.
struct Attempt {
  Attempt(v1::Lease the_lease, job::AttemptSpec the_spec, OutboxLimits limits)
      : lease(the_lease), spec(std::move(the_spec)), outbox(std::move(the_lease), limits) {}

  // Replaces the progress that waits to be sent.
  void SetProgress(const job::Progress& newest);
  // Something of it is done. So it is also whenever it looks at its cancel token.
  void SetAlive() { ++signs_of_life; }

  const v1::Lease lease;
  const job::AttemptSpec spec;
  CancelToken cancel;
  AttemptOutbox outbox;
  absl::Duration good_until;  // monotonic: without a newer heartbeat the lease is over then
  bool running = false;       // the job thread works on it and holds a pointer
  bool forgotten = false;
  // ResultAck came; to a rank of a gang maybe before its own part has ended.
  bool acknowledged = false;
  // Monotonic; of a forgotten or acknowledged one that runs.
  absl::Duration must_end_by = absl::InfiniteDuration();
  std::optional<v1::JobProgress> progress;    // waits to be sent
  std::string newest_progress = "its start";  // for people

  int64_t signs_of_life = 0;
  int64_t signs_seen = -1;      // of them and of `cancel`, when last looked at
  absl::Duration last_life;     // monotonic; when more of them were seen
  bool waits_for_room = false;  // for the coordinator to take what it has: that is no stall
  absl::Status stalled;         // why it was ended; OK: it was not

  bool tells_result() const { return spec.gang.rank == 0; }
};

// Not thread-safe: the Agent holds its mutex around every call. `now` is monotonic time.
class AgentState {
 public:
  explicit AgentState(AgentStateOptions options);

  // --- The stream. ---

  // A new stream was opened; the next write is Hello.
  void OnConnected();
  // The stream broke: what was written and not acknowledged is written again on the next one, and
  // leases given back meanwhile are told there. One whose telling was lost is not listed in the
  // next Hello, by which the coordinator knows it.
  void OnDisconnected();
  // Takes a message in. FAILED_PRECONDITION for a coordinator of another protocol version, INTERNAL
  // for one that breaks the protocol; the stream is then useless.
  absl::Status OnMessage(const v1::CoordinatorMessage& message, absl::Duration now);
  // The next message to write, taken as being written; nullopt while there is none. At most one
  // write at a time: OnWritten comes before the next call.
  std::optional<v1::WorkerMessage> NextWrite(absl::Duration now);
  // The write was handed to the transport.
  void OnWritten();

  // Forgets what ran out because no heartbeat went out in time. Results that wait for their
  // acknowledgement stay: the fencing token decides about them.
  void CheckLeases(absl::Duration now);
  // Cancels an attempt that makes no progress. One that does not end by that either is reported
  // without its end, and this worker takes no more.
  void CheckStalls(absl::Duration now);
  // An attempt that was given up, or reported as above, and does not end: the job thread is stuck,
  // and only the end of the process frees it. Null while there is none, or while its report is
  // under way.
  const Attempt* FindStuck(absl::Duration now) const;
  // When CheckLeases or CheckStalls, or with `may_write` NextWrite, can have something to do if
  // nothing else happens; infinite if never.
  absl::Duration NextDeadline(bool may_write) const;

  bool connected() const { return connected_; }
  bool welcomed() const { return welcomed_; }

  // --- The job thread. ---

  // The next attempt to run, or nullptr. The pointer is good until OnAttemptEnd.
  Attempt* TakeNext();
  bool HasQueued() const;
  // Ends the attempt: completed with the result, or failed with its class, or nothing if forgotten.
  // After an error that is engine::IsDeviceLost() this worker is broken.
  void OnAttemptEnd(Attempt* attempt, const absl::StatusOr<job::AttemptResult>& result,
                    absl::Duration now);
  // The model that the engine holds; empty: none.
  void SetResidentModel(std::string model) { resident_model_ = std::move(model); }
  const std::string& resident_model() const { return resident_model_; }

  // --- Draining. ---

  // No new leases from now on.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_; }
  // Why this process cannot do any work any more, and drains; OK while it can.
  const absl::Status& broken() const { return broken_; }
  // When what it has to say then must have been said; infinite while it can work.
  absl::Duration report_by() const { return report_by_; }
  // Gives every lease back, finished or not.
  void ReleaseAll(absl::string_view reason);
  // No lease is held (acknowledged or forgotten all).
  bool Empty() const;
  // Draining, nothing held and nothing left to write: the stream may be closed.
  bool Drained() const;

  // Leases held, for tests and logs.
  std::vector<v1::Lease> Leases() const;

 private:
  absl::Status OnWelcome(const v1::Welcome& welcome, absl::Duration now);
  void OnAssign(const v1::Assign& assign, absl::Duration now);
  Attempt* Find(const v1::Lease& lease);
  void Forget(Attempt* attempt, absl::string_view reason);
  void SetBroken(absl::Status why, absl::Duration now);
  void Erase(const Attempt* attempt);
  // Once it has ended and was acknowledged, nothing is left to do for it.
  void EraseIfDone(const Attempt* attempt);
  v1::Hello MakeHello() const;
  v1::Heartbeat MakeHeartbeat() const;
  // Leases that messages list, with the time up to which they are good once the message is out.
  void Renew(absl::Duration sent);

  const AgentStateOptions options_;

  bool connected_ = false;
  bool hello_written_ = false;
  bool welcomed_ = false;
  bool draining_told_ = false;  // on this stream
  absl::Duration hello_sent_;
  absl::Duration heartbeat_interval_ = absl::InfiniteDuration();
  absl::Duration lease_duration_ = absl::InfiniteDuration();
  absl::Duration next_heartbeat_ = absl::InfiniteDuration();
  std::optional<absl::Duration> heartbeat_in_flight_;  // when it was taken for writing
  absl::Duration next_progress_;

  bool draining_ = false;
  absl::Status broken_;
  absl::Duration report_by_ = absl::InfiniteDuration();
  std::vector<v1::Lease> released_;  // to be told
  std::string resident_model_;
  // In the order of assignment. Forgotten ones stay while they run.
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::optional<v1::Lease> last_acknowledged_;  // a late repeat of its Assign is no new work
};

}  // namespace rwku::agent
