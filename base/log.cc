#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "base/utf8.h"

namespace rwku {
namespace {

std::atomic<LogSeverity> minimum_severity{LogSeverity::kInfo};

// Written in main before other threads start, read afterwards.
std::string& LogContext() {
  static std::string& context = *new std::string;
  return context;
}

absl::string_view SeverityName(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kDebug:
      return "debug";
    case LogSeverity::kInfo:
      return "info";
    case LogSeverity::kWarning:
      return "warning";
    case LogSeverity::kError:
      return "error";
  }
  return "unknown";
}

absl::string_view FileName(absl::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

absl::StatusOr<LogSeverity> ParseLogSeverity(absl::string_view name) {
  for (const LogSeverity severity :
       {LogSeverity::kDebug, LogSeverity::kInfo, LogSeverity::kWarning, LogSeverity::kError}) {
    if (name == SeverityName(severity)) {
      return severity;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", name, "\"; debug, info, warning or error is allowed"));
}

void SetMinimumLogSeverity(LogSeverity severity) { minimum_severity.store(severity); }

void SetLogContext(absl::string_view key, absl::string_view value) {
  absl::StrAppend(&LogContext(), ",\"", JsonEscape(key), "\":\"", JsonEscape(value), "\"");
}

LogLine::LogLine(LogSeverity severity, const char* file, int line, absl::string_view message)
    : enabled_(severity >= minimum_severity.load(std::memory_order_relaxed)) {
  if (!enabled_) {
    return;
  }
  text_ =
      absl::StrCat("{\"time\":\"",
                   absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", RealClock().Now(), absl::UTCTimeZone()),
                   "\",\"severity\":\"", SeverityName(severity), "\",\"source\":\"", FileName(file),
                   ":", line, "\",\"message\":\"", JsonEscape(message), "\"", LogContext());
}

LogLine::~LogLine() {
  if (!enabled_) {
    return;
  }
  text_ += "}\n";
  // One write keeps lines whole; a log that cannot be written is no reason to stop.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text_.data(), text_.size());
}

LogLine& LogLine::With(absl::string_view key, absl::string_view value) {
  if (enabled_) {
    absl::StrAppend(&text_, ",\"", JsonEscape(key), "\":\"", JsonEscape(value), "\"");
  }
  return *this;
}

LogLine& LogLine::With(absl::string_view key, int64_t value) {
  if (enabled_) {
    absl::StrAppend(&text_, ",\"", JsonEscape(key), "\":", value);
  }
  return *this;
}

LogLine& LogLine::With(absl::string_view key, uint64_t value) {
  if (enabled_) {
    absl::StrAppend(&text_, ",\"", JsonEscape(key), "\":", value);
  }
  return *this;
}

LogLine& LogLine::With(absl::string_view key, double value) {
  if (enabled_) {
    absl::StrAppend(&text_, ",\"", JsonEscape(key), "\":\"", absl::StrFormat("%.9g", value), "\"");
  }
  return *this;
}

std::string JsonEscape(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    if (length != 1) {
      // Names and paths come from peers, and may be cut within a character.
      absl::StrAppend(&out, length == 0 ? "\xef\xbf\xbd" : text.substr(0, length));
      text.remove_prefix(std::max<size_t>(length, 1));
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppendFormat(&out, "\\u%04x", c);
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace rwku
