// What a process may use of the host's memory: the host's own figures and the limits of the control
// groups that the process is in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::engine {

struct HostMemory {
  int64_t total_bytes = 0;      // with nobody else on the host or in the groups; 0 = unknown
  int64_t available_bytes = 0;  // that could still be taken without swapping; 0 = unknown
};

// The smallest of what the host and each control group from the process's own up to the root of the
// hierarchy allow, of version 1 or 2. What a group holds counts without the file cache that the
// kernel gives up first (inactive_file), as Kubernetes counts it. `root` is where /proc and
// /sys/fs/cgroup are looked for.
HostMemory ReadHostMemory(const std::filesystem::path& root = "/");

// Where the memory controller of a process has its files, from the root of the hierarchy.
struct MemoryGroup {
  int version = 2;   // of control groups, 1 or 2
  std::string path;  // begins with "/"
};

// The groups that the text of /proc/self/cgroup names: of version 1 the one of the controller
// "memory", of version 2 the only one. At most one of each; the one of version 1 comes first.
std::vector<MemoryGroup> ParseMemoryGroups(absl::string_view contents);

// A limit file of either version in bytes. nullopt where there is none: "max", version 1's number
// that stands for it, or what is no number.
std::optional<int64_t> ParseMemoryLimit(absl::string_view contents);

// The value of the line "`field` NUMBER" of a memory.stat; 0 where it has none.
int64_t ParseMemoryStat(absl::string_view contents, absl::string_view field);

// The line "`field`: NUMBER kB" of the text of /proc/meminfo in bytes; 0 where it has none.
int64_t ParseMeminfo(absl::string_view contents, absl::string_view field);

}  // namespace rwku::engine
