// What would make the host wait for the device, or the device for the host: the simulated device
// tells it here, and a test says where it must not happen.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::simulated {

// While it lives, everything that would synchronise host and device on a GPU is a failure: a value
// read back (item(), equal(), a copy to the host), a size that depends on values (nonzero()), an
// upload from memory that is not pinned or that blocks, a wait for an event or a stream. Counts
// what every thread does, since a backward pass runs on a thread of autograd's. Scopes do not nest.
class NoSynchronisationScope {
 public:
  NoSynchronisationScope();
  NoSynchronisationScope(const NoSynchronisationScope&) = delete;
  NoSynchronisationScope& operator=(const NoSynchronisationScope&) = delete;
  ~NoSynchronisationScope();

  // What was found so far, a line each, with the operators that came just before.
  std::vector<std::string> Found() const;

 private:
  std::vector<std::string> found_;  // written by whoever finds one, under a lock
};

// Remembers `op` as the latest operator. Any thread.
void NoteOperator(absl::string_view op);

// Tells that `what` synchronised. Any thread.
void NoteSynchronisation(absl::string_view what);

// Writes the latest operators to stderr; for use in a signal handler.
void WriteLatestOperators();

}  // namespace rwku::simulated
