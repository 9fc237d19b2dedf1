// Which state a job may go to from which: the law that every change of a job obeys.
//
//                +------- loss, drain, retryable failure -------+
//                v                                              |
//   (new) --> kQueued ---------------- grant --------------> kLeased
//              |   ^                                          | | |
//              |   +-- RetryJob -- kFailed <---- gave up -----+ | |
//              |                                                | |
//              |                   kSucceeded <-- completed ----+ |
//              |                                                  |
//              +---- cancel ---> kCancelled <------ cancel -------+
//
// kSucceeded and kCancelled are final.
#pragma once

#include "absl/strings/string_view.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

// Whether the picture above has an arrow from `from` to `to`.
bool IsLegalTransition(JobState from, JobState to);

// The only place that changes a JobState. Aborts on an illegal transition: callers look first.
void Transition(JobRecord& job, JobState to);

// "queued", "leased", ...: for messages.
absl::string_view Name(JobState state);
absl::string_view Name(RunState state);
absl::string_view Name(FailureClass failure_class);

}  // namespace rwku::scheduler
