// The worker's side of WorkerService.Connect: keeps a stream to the coordinator open, and runs what
// comes over it, one attempt after another.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rwku/v1/worker.grpc.pb.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "worker/agent/agent_state.h"
#include "worker/agent/stream.h"
#include "worker/job/attempt.h"

namespace rwku::agent {

struct AgentOptions {
  AgentStateOptions state;
  BackoffOptions backoff;
  // A coordinator that does not say Welcome, or does not end a closed stream, for this long is
  // left.
  absl::Duration handshake_timeout = absl::Seconds(20);
  absl::Duration close_timeout = absl::Seconds(5);
  // Told about an attempt that was given up, or stalled and was reported, and does not end within
  // the state's abort_timeout; on Run's thread, with the agent's lock held. The process should end
  // at once: it can do no more work.
  std::function<void(const v1::Lease& lease)> on_stuck;
};

// Two threads: Run's own keeps the stream, its heartbeats and its watchdog going; a second one runs
// attempts. Neither waits for the other's work, so the engine may be busy for hours.
class Agent final : private StreamHandler {
 public:
  // `stub` and `clock` outlive the agent. `runner` is called from one thread at a time.
  Agent(AgentOptions options, v1::WorkerService::StubInterface* stub, const Clock* clock,
        job::AttemptRunner runner);
  ~Agent() override;
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Serves until drained: OK then. An unreachable or broken coordinator is tried again for ever;
  // one that refuses this worker for good (protocol version, name, credentials) ends Run with its
  // status. Credentials that were good once are tried again for ever, because they are re-read when
  // they are replaced, which may come after their end. UNAVAILABLE once this process can do no more
  // work, because its device is lost: what the attempt came to is told before, as far as the
  // coordinator can be reached within the state's report_timeout. Call once.
  absl::Status Run();

  // Thread-safe. No new leases; what is held may end within `timeout`, then it is given back and
  // Run returns.
  void Drain(absl::Duration timeout);

  // How it stands now. Thread-safe.
  struct Standing {
    bool connected = false;  // and welcomed
    bool draining = false;
    int leases = 0;
    absl::Duration idle;  // since Run's thread last looked for something to do; it does every 10 s
  };
  Standing standing() const;

 private:
  void OnMessage(const v1::CoordinatorMessage& message) override;
  void OnWritten(bool ok) override;
  void OnReadClosed() override;
  void OnDone(const absl::Status& status) override;

  // Whether the answer is one that trying again does not change.
  bool IsFinal(const absl::Status& status) const;
  // Opens a stream and serves it to its end; returns how it ended.
  absl::Status ServeStream();
  // The next thing to do on the stream; waits for a reason to look again if there is none. False
  // once the stream is over.
  bool StepStream(Stream* stream);
  // Waits before the next stream; false once there should be none.
  bool WaitForRetry(absl::Duration wait);
  // Gives up what ran out, and finds what does not end.
  void CheckLeases(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Gives leases back once the time for draining is up.
  void CheckDrain(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Sleeps until something changed or `deadline` (monotonic).
  void AwaitChange(absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void JobLoop();
  void RunAttempt(Attempt* attempt);
  // Waits until there is room for it.
  absl::Status AddPrediction(Attempt* attempt, const v1::Prediction& prediction);
  bool JobLoopMayGoOn() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopping_ || state_.HasQueued();
  }

  const AgentOptions options_;
  v1::WorkerService::StubInterface* const stub_;
  const Clock* const clock_;
  const job::AttemptRunner runner_;

  mutable absl::Mutex mu_;
  AgentState state_ ABSL_GUARDED_BY(mu_);
  absl::Duration last_look_ ABSL_GUARDED_BY(mu_);  // of Run's thread, monotonic
  bool changed_ ABSL_GUARDED_BY(mu_) = false;      // the stream's thread should look again
  bool is_broken_ ABSL_GUARDED_BY(mu_) = false;    // the state's broken() was taken note of
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;     // the job thread should end
  absl::Duration drain_deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();

  // Of the present stream.
  bool write_in_flight_ ABSL_GUARDED_BY(mu_) = false;
  bool write_failed_ ABSL_GUARDED_BY(mu_) = false;
  bool read_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool writes_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration give_up_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
  absl::Status refused_ ABSL_GUARDED_BY(mu_);  // why this side broke the stream off
  std::optional<absl::Status> done_ ABSL_GUARDED_BY(mu_);

  // Of Run's thread alone.
  Backoff backoff_;
  bool reported_down_ = false;  // the broken connection was logged
  bool ever_welcomed_ = false;
};

}  // namespace rwku::agent
