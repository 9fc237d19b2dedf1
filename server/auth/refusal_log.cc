#include "server/auth/refusal_log.h"

#include "absl/status/status.h"

namespace rwku::auth {
namespace {

int LinesASecond(const AuditRecord& record) {
  static const std::string& too_many =
      *new std::string(CodeName(static_cast<int>(absl::StatusCode::kResourceExhausted)));
  return record.outcome == too_many ? 1 : kRefusalsASecond;
}

}  // namespace

RefusalLog::~RefusalLog() {
  const absl::MutexLock lock(&mu_);
  for (const auto& [key, second] : seconds_) {
    if (second.counted) {
      audit_->Write(*second.counted);
    }
  }
}

void RefusalLog::Turn(absl::Duration now, Second* second, std::vector<AuditRecord>* lines) {
  if (now < second->end) {
    return;
  }
  second->end = now + absl::Seconds(1);
  second->lines = 0;
  if (second->counted) {
    lines->push_back(*std::move(second->counted));
    second->counted.reset();
    second->lines = 1;
  }
}

void RefusalLog::Write(const AuditRecord& record) {
  std::vector<AuditRecord> lines;
  {
    const absl::MutexLock lock(&mu_);
    Second& second = seconds_[{record.outcome, record.identity}];
    Turn(clock_->Monotonic(), &second, &lines);
    if (second.lines < LinesASecond(record)) {
      ++second.lines;
      lines.push_back(record);
    } else {
      const int64_t before = second.counted ? second.counted->count : 0;
      second.counted = record;
      second.counted->count += before;
    }
  }
  for (const AuditRecord& line : lines) {
    audit_->Write(line);
  }
}

void RefusalLog::Poll() {
  std::vector<AuditRecord> lines;
  {
    const absl::MutexLock lock(&mu_);
    const absl::Duration now = clock_->Monotonic();
    for (auto it = seconds_.begin(); it != seconds_.end();) {
      const bool over = now >= it->second.end;
      Turn(now, &it->second, &lines);
      it = over && it->second.lines == 0 ? seconds_.erase(it) : std::next(it);
    }
  }
  for (const AuditRecord& line : lines) {
    audit_->Write(line);
  }
}

}  // namespace rwku::auth
