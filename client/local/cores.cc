#include "client/local/cores.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "base/file.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;

int AffinityCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines with more processors than the mask has bits.
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return std::max(1, CPU_COUNT(&set));
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Words of a small file; none where it cannot be read.
std::vector<std::string> Words(const fs::path& file) {
  return absl::StrSplit(ReadFile(file).value_or(""), absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

// `cores`, or what "`quota` `period`" in microseconds of processor time allows if that is less.
int Limit(int cores, absl::string_view quota, absl::string_view period) {
  int64_t allowed = 0;
  int64_t every = 0;
  // "max" and -1 say that there is no quota.
  if (!absl::SimpleAtoi(quota, &allowed) || !absl::SimpleAtoi(period, &every) || allowed <= 0 ||
      every <= 0) {
    return cores;
  }
  return static_cast<int>(std::clamp<int64_t>(allowed / every, 1, cores));
}

// The limits of the group `path` below the mounted hierarchy `mount` and of all above it. In a
// container the path may be the host's: groups that are not there are skipped, up to the mount.
int LimitOfGroups(int cores, const fs::path& mount, fs::path path) {
  while (true) {
    const fs::path group = mount / path.relative_path();
    if (const std::vector<std::string> max = Words(group / "cpu.max"); max.size() == 2) {
      cores = Limit(cores, max[0], max[1]);
    }
    const std::vector<std::string> quota = Words(group / "cpu.cfs_quota_us");
    const std::vector<std::string> period = Words(group / "cpu.cfs_period_us");
    if (quota.size() == 1 && period.size() == 1) {
      cores = Limit(cores, quota[0], period[0]);
    }
    if (!path.has_relative_path()) {
      return cores;
    }
    path = path.parent_path();
  }
}

}  // namespace

int UsableCores(const fs::path& root) {
  int cores = AffinityCores();
  const fs::path mounts = root / "sys/fs/cgroup";
  const std::string groups = ReadFile(root / "proc/self/cgroup").value_or("");
  // "number:controllers:path"; version 2 has the number 0 and no controllers.
  for (const absl::string_view line : absl::StrSplit(groups, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) {
      continue;
    }
    const std::vector<absl::string_view> controllers =
        absl::StrSplit(fields[1], ',', absl::SkipEmpty());
    if (controllers.empty()) {
      cores = LimitOfGroups(cores, mounts, fields[2]);
    } else if (std::find(controllers.begin(), controllers.end(), "cpu") != controllers.end()) {
      cores = LimitOfGroups(cores, mounts / "cpu", fields[2]);
    }
  }
  return cores;
}

int ThreadsPerWorker(int cores, int workers) { return std::max(1, cores / workers); }

}  // namespace rwku::local
