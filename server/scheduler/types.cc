#include "server/scheduler/types.h"

namespace rwku::scheduler {

bool IsTerminal(RunState state) { return state != RunState::kRunning; }

bool IsTerminal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

std::vector<WorkerId> HoldersOf(const JobRecord& job) {
  return job.gang.empty() ? std::vector<WorkerId>{job.worker} : job.gang;
}

}  // namespace rwku::scheduler
