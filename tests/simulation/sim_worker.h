// A worker as the coordinator sees it: connects, beats, runs one attempt at a time, reports until
// it is answered. Crashes, pauses and drains when told to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"
#include "tests/simulation/world.h"

namespace rwku::simulation {

class SimCoordinator;

// Must outlive the callbacks that it leaves in the world.
class SimWorker {
 public:
  SimWorker(World& world, SimCoordinator& coordinator, WorkerId id);
  SimWorker(const SimWorker&) = delete;
  SimWorker& operator=(const SimWorker&) = delete;

  const WorkerId& id() const { return id_; }
  void Start();
  // Loses everything; comes back as a new process after `down`.
  void Crash(absl::Duration down);
  // Does nothing for a while and then goes on as if nothing had been: the zombie.
  void Pause(absl::Duration duration) { paused_until_ = world_.now() + duration; }
  void Resume() { paused_until_ = world_.now(); }
  // Gives its lease back and ends; comes back as a new process.
  void Drain();
  // Models loaded by all its processes.
  int model_loads() const { return model_loads_; }
  // Whether it works on `lease`, and the other ranks of a gang can reach it.
  bool TakesPart(const scheduler::Lease& lease) const;

  // From the coordinator, on the stream `session`.
  void OnWelcome(uint64_t session, const std::vector<scheduler::Lease>& kept);
  void OnAssign(uint64_t session, const scheduler::Assign& assign, const scheduler::JobRecord& job);
  void OnRevoke(uint64_t session, const scheduler::Lease& lease);
  // The end of an attempt is stored, or refused for good.
  void OnAnswer(uint64_t session, const scheduler::Lease& lease);
  void OnClosed(uint64_t session);
  // Ends once it holds no attempt; comes back as a new process.
  void OnDrain(uint64_t session);

 private:
  struct Attempt {
    scheduler::Lease lease;
    std::string payload;
    uint64_t session = 0;  // of the Assign
    int world_size = 1;
    int rank = 0;
    absl::Duration give_up_at;  // rank 0 does not wait for the others for longer
    bool ended = false;
    std::optional<scheduler::FailureClass> failure;
  };

  // Calls `callback` at once, or after the pause; not at all if the process has ended by then.
  void InProcess(std::function<void()> callback);
  void Connect();
  void Beat();
  void End(const scheduler::Lease& lease);
  void Report();
  void EndIfDrained();
  std::vector<scheduler::Lease> Leases() const;

  World& world_;
  SimCoordinator& coordinator_;
  const WorkerId id_;
  bool up_ = false;
  uint64_t incarnation_ = 0;
  uint64_t session_ = 0;
  bool welcome_ = false;
  absl::Duration paused_until_;
  std::optional<Attempt> attempt_;
  bool draining_ = false;
  std::vector<std::string> resident_;  // none or one model
  int model_loads_ = 0;
};

}  // namespace rwku::simulation
