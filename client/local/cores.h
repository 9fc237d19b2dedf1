// How many processors this process may use, and how the workers of one machine share them.
#pragma once

#include <filesystem>

namespace rwku::local {

// Processors that this process may use at once, at least 1: those of its affinity mask, and no more
// than the CPU quota of its control group or of one above it, rounded down. Reads
// `root`/proc/self/cgroup and `root`/sys/fs/cgroup (version 2, or 1); what is missing or unreadable
// there limits nothing.
int UsableCores(const std::filesystem::path& root = "/");

// Threads of each of `workers` workers (at least 1) that share `cores`: as many as leave none of
// them without a core, at least 1.
int ThreadsPerWorker(int cores, int workers);

}  // namespace rwku::local
