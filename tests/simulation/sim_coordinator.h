// The coordinator around the real scheduler and MemStore, in one thread: commits, then speaks.
// Crashes between any two of its steps and starts again from the store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/scheduler/scheduler.h"
#include "server/store/mem_store.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/world.h"

namespace rwku::simulation {

class SimWorker;

class SimCoordinator {
 public:
  SimCoordinator(World& world, store::MemStore& store, Checker& checker);
  SimCoordinator(const SimCoordinator&) = delete;
  SimCoordinator& operator=(const SimCoordinator&) = delete;

  void AddWorker(const WorkerId& id, SimWorker* worker) { workers_[id] = worker; }
  void Start();
  void Crash(absl::Duration down);
  void BreakStream(const WorkerId& worker);
  // The wall clock jumps; the monotonic one does not.
  void JumpWall(absl::Duration by) { wall_offset_ += by; }
  void FailNextCommit() { fail_next_commit_ = true; }

  // The network between workers and coordinator.
  uint64_t NewSession() { return ++newest_session_; }
  void PostHello(uint64_t session, const scheduler::WorkerConnected& hello);
  void Post(uint64_t session, const scheduler::Event& event);
  void PostChunk(uint64_t session, const WorkerId& worker, const store::PredictionChunk& chunk);
  // Whether so many workers work on `lease` at this moment.
  bool AllTakePart(const scheduler::Lease& lease, int world_size) const;
  void OnStreamBroken(const WorkerId& worker, uint64_t session);

  // A client's call: `answer` gets the verdict, or is never called if the coordinator is down or
  // goes down before it answers.
  void Call(const scheduler::Event& event, std::function<void(const absl::Status&)> answer);
  // Null while down.
  const scheduler::Scheduler* scheduler() const { return scheduler_.get(); }

 private:
  using Answer = std::function<void(const scheduler::Decision&)>;

  // One event through the scheduler: decide, commit, command, answer.
  void Process(const scheduler::Event& event, const Answer& answer);
  // False if the coordinator went down over it.
  bool Commit(const std::vector<scheduler::StateChange>& changes);
  void Deliver(uint64_t session, scheduler::Event event);
  void DeliverChunk(uint64_t session, const WorkerId& worker, const store::PredictionChunk& chunk);
  void Carry(const scheduler::Command& command);
  // The worker's stream if it is the one of `session`; tells the sender if it is not.
  bool IsCurrent(const WorkerId& worker, uint64_t session);
  void ScheduleTick();
  scheduler::Now Now() const;

  World& world_;
  store::MemStore& store_;
  Checker& checker_;
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  std::map<WorkerId, SimWorker*> workers_;
  std::map<WorkerId, uint64_t> sessions_;
  uint64_t newest_session_ = 0;
  uint64_t incarnation_ = 0;
  absl::Duration monotonic_offset_;
  absl::Duration wall_offset_;
  bool fail_next_commit_ = false;
  absl::Duration next_tick_ = absl::InfiniteDuration();
  uint64_t steps_ = 0;
};

}  // namespace rwku::simulation
