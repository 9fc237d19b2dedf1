#include "net/metrics/process_metrics.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <sys/resource.h>

#include "base/file.h"
#include "net/metrics/sample.h"

namespace rwku::net {
namespace {

// Fields of /proc/self/stat after the name in parentheses, by proc(5)'s number minus 3.
constexpr size_t kUserTicks = 11;
constexpr size_t kSystemTicks = 12;
constexpr size_t kStartTicks = 19;
constexpr size_t kVirtualBytes = 20;
constexpr size_t kResidentPages = 21;

double Number(const std::vector<std::string>& fields, size_t i) {
  double value = 0;
  return i < fields.size() && absl::SimpleAtod(fields[i], &value) ? value : 0;
}

// Seconds since 1970 at which the machine started; 0 if unknown.
double BootTime() {
  const absl::StatusOr<std::string> stat = ReadFile("/proc/stat");
  if (stat.ok()) {
    for (absl::string_view line : absl::StrSplit(*stat, '\n')) {
      double seconds = 0;
      if (absl::ConsumePrefix(&line, "btime ") && absl::SimpleAtod(line, &seconds)) {
        return seconds;
      }
    }
  }
  return 0;
}

void AddFiles(std::vector<prometheus::MetricFamily>* families) {
  std::error_code error;
  int open = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++open;
  }
  if (!error && open > 0) {
    families->push_back(Gauge("process_open_fds", "Open file descriptors.", open - 1));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families->push_back(Gauge("process_max_fds", "File descriptors that may be open.",
                              static_cast<double>(limit.rlim_cur)));
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  const absl::StatusOr<std::string> stat = ReadFile("/proc/self/stat");
  const size_t name_end = stat.ok() ? stat->rfind(") ") : std::string::npos;
  if (name_end != std::string::npos) {
    const std::vector<std::string> fields =
        absl::StrSplit(absl::string_view(*stat).substr(name_end + 2), ' ');
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(sysconf(_SC_PAGE_SIZE));
    families.push_back(
        Counter("process_cpu_seconds_total", "User and system CPU time.",
                (Number(fields, kUserTicks) + Number(fields, kSystemTicks)) / ticks));
    families.push_back(Gauge("process_resident_memory_bytes", "Memory in RAM.",
                             Number(fields, kResidentPages) * page));
    families.push_back(
        Gauge("process_virtual_memory_bytes", "Address space.", Number(fields, kVirtualBytes)));
    if (const double boot = BootTime(); boot > 0) {
      families.push_back(Gauge("process_start_time_seconds", "Start, in seconds since 1970 UTC.",
                               boot + Number(fields, kStartTicks) / ticks));
    }
  }
  AddFiles(&families);
  return families;
}

}  // namespace rwku::net
