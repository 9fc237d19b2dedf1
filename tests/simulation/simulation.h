// A whole control plane in one thread: the real scheduler and store, fake workers and clients, a
// network and machines that fail. Everything follows from the seed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/world.h"

namespace rwku::simulation {

struct Report {
  std::string violation;  // empty: every invariant held and every job ended
  uint64_t trace_hash = 0;
  std::map<std::string, int> fault_counts;
  std::map<std::string, std::string> results;  // of the jobs that succeeded, by job id
  int turns = 0;        // workers that its jobs needed: one a job, of a gang one a rank
  int faults = 0;       // in total
  int model_loads = 0;  // by all workers
};

// About 100 virtual seconds of faults (none if `options.faults` is off), then quiet until every
// job has ended, at most 900 virtual seconds.
Report Simulate(const Options& options);

}  // namespace rwku::simulation
