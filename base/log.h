// Structured logs: one JSON object a line on standard error, so that a machine can read them.
//
//   RWKU_LOG(kInfo, "lease granted").With("job", job.value()).With("token", token);
//
// A line is written when the temporary dies. Thread-safe: a line is one write(2).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku {

enum class LogSeverity { kDebug, kInfo, kWarning, kError };

// The severity called `name`: debug, info, warning or error. INVALID_ARGUMENT for another name.
absl::StatusOr<LogSeverity> ParseLogSeverity(absl::string_view name);

// Lines below `severity` are dropped. Default kInfo. Set once, in main.
void SetMinimumLogSeverity(LogSeverity severity);

// Fields put into every line of this process (e.g. worker=w0). Set once, in main, before threads
// start.
void SetLogContext(absl::string_view key, absl::string_view value);

class LogLine {
 public:
  LogLine(LogSeverity severity, const char* file, int line, absl::string_view message);
  ~LogLine();
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;

  LogLine& With(absl::string_view key, absl::string_view value);
  LogLine& With(absl::string_view key, const char* value) {
    return With(key, absl::string_view(value));
  }
  LogLine& With(absl::string_view key, int64_t value);
  LogLine& With(absl::string_view key, uint64_t value);
  LogLine& With(absl::string_view key, int value) { return With(key, static_cast<int64_t>(value)); }
  LogLine& With(absl::string_view key, double value);

 private:
  bool enabled_;
  std::string text_;
};

// `text` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes
// that are no UTF-8 replaced by U+FFFD.
std::string JsonEscape(absl::string_view text);

}  // namespace rwku

#define RWKU_LOG(severity, message) \
  ::rwku::LogLine(::rwku::LogSeverity::severity, __FILE__, __LINE__, message)
