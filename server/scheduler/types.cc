#include "server/scheduler/types.h"

namespace rwku::scheduler {

bool IsTerminal(RunState state) { return state != RunState::kRunning; }

bool IsTerminal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

}  // namespace rwku::scheduler
