#include "worker/engine/memory/host_memory.h"

#include <algorithm>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "base/file.h"

namespace rwku::engine {
namespace {

// Version 1 rounds "no limit" to a multiple of the page size below 2^63; no host has half of it.
constexpr int64_t kNoLimit = int64_t{1} << 62;

struct GroupFiles {
  const char* mount;
  const char* limit;
  const char* usage;
  const char* inactive_field;  // of memory.stat, the groups below included
};

constexpr GroupFiles kVersion1 = {"sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                  "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};

std::string Contents(const std::filesystem::path& path) {
  return ReadFile(path).value_or(std::string());
}

// Takes the smaller of two figures; 0 is unknown.
void Lower(int64_t bytes, int64_t* figure) {
  *figure = *figure == 0 ? bytes : std::min(*figure, bytes);
}

void ApplyGroup(const std::filesystem::path& folder, const GroupFiles& files, HostMemory* memory) {
  const std::optional<int64_t> limit = ParseMemoryLimit(Contents(folder / files.limit));
  if (!limit.has_value()) {
    return;
  }
  Lower(*limit, &memory->total_bytes);
  const std::optional<int64_t> usage = ParseMemoryLimit(Contents(folder / files.usage));
  if (usage.has_value()) {
    const int64_t inactive =
        ParseMemoryStat(Contents(folder / "memory.stat"), files.inactive_field);
    const int64_t held = std::max<int64_t>(*usage - inactive, 0);
    // 0 would mean that nothing is known.
    Lower(std::max<int64_t>(*limit - held, 1), &memory->available_bytes);
  }
}

}  // namespace

int64_t ParseMeminfo(absl::string_view contents, absl::string_view field) {
  const std::string begin = absl::StrCat(field, ":");
  for (const absl::string_view line : absl::StrSplit(contents, '\n')) {
    if (!absl::StartsWith(line, begin)) {
      continue;
    }
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kilobytes = 0;
    return parts.size() == 3 && parts[2] == "kB" && absl::SimpleAtoi(parts[1], &kilobytes)
               ? kilobytes * 1024
               : 0;
  }
  return 0;
}

int64_t ParseMemoryStat(absl::string_view contents, absl::string_view field) {
  for (const absl::string_view line : absl::StrSplit(contents, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t bytes = 0;
    if (parts.size() == 2 && parts[0] == field && absl::SimpleAtoi(parts[1], &bytes)) {
      return bytes;
    }
  }
  return 0;
}

std::optional<int64_t> ParseMemoryLimit(absl::string_view contents) {
  int64_t bytes = 0;
  const bool is_number = absl::SimpleAtoi(absl::StripAsciiWhitespace(contents), &bytes);
  return is_number && bytes >= 0 && bytes < kNoLimit ? std::optional(bytes) : std::nullopt;
}

std::vector<MemoryGroup> ParseMemoryGroups(absl::string_view contents) {
  std::vector<MemoryGroup> groups;
  // Lines are "NUMBER:CONTROLLER,CONTROLLER:PATH"; version 2 has number 0 and no controllers.
  for (const absl::string_view line : absl::StrSplit(contents, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || !absl::StartsWith(parts[2], "/")) {
      continue;
    }
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    const bool is_memory =
        std::find(controllers.begin(), controllers.end(), "memory") != controllers.end();
    if (is_memory) {
      groups.insert(groups.begin(), {1, std::string(parts[2])});
    } else if (parts[0] == "0" && parts[1].empty()) {
      groups.push_back({2, std::string(parts[2])});
    }
  }
  return groups;
}

HostMemory ReadHostMemory(const std::filesystem::path& root) {
  HostMemory memory;
  const std::string meminfo = Contents(root / "proc/meminfo");
  memory.total_bytes = ParseMeminfo(meminfo, "MemTotal");
  memory.available_bytes = ParseMeminfo(meminfo, "MemAvailable");
  for (const MemoryGroup& group : ParseMemoryGroups(Contents(root / "proc/self/cgroup"))) {
    const GroupFiles& files = group.version == 1 ? kVersion1 : kVersion2;
    const std::filesystem::path mount = root / files.mount;
    // A container may see its own group as the root of the hierarchy while the path is the host's:
    // folders that are not there are left out, the root counts in any case.
    std::filesystem::path inner =
        std::filesystem::path(group.path).lexically_normal().relative_path();
    for (; !inner.empty(); inner = inner.parent_path()) {
      ApplyGroup(mount / inner, files, &memory);
    }
    ApplyGroup(mount, files, &memory);
  }
  return memory;
}

}  // namespace rwku::engine
