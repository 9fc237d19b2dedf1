// The newest progress of every running attempt. Not kept over a restart.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/strong_id.h"
#include "server/scheduler/types.h"

namespace rwku::coordinator {

struct ProgressRecord {
  scheduler::Lease lease;
  WorkerId worker;
  std::string payload;   // the service's serialized JobProgress
  uint64_t version = 0;  // grows by every report on this server
};

// Not thread-safe: the coordinator's mutex guards it. Holds one record a running job.
class ProgressMap {
 public:
  void Put(const RunId& run, ProgressRecord record) {
    record.version = ++version_;
    runs_[run][record.lease.job] = std::move(record);
  }

  // Forgets a job's progress unless it is of the attempt `live_token` (0: of none).
  void Trim(const RunId& run, const JobId& job, uint64_t live_token) {
    const auto jobs = runs_.find(run);
    if (jobs == runs_.end()) {
      return;
    }
    const auto found = jobs->second.find(job);
    if (found != jobs->second.end() && found->second.lease.fencing_token != live_token) {
      jobs->second.erase(found);
    }
    if (jobs->second.empty()) {
      runs_.erase(jobs);
    }
  }

  void EraseRun(const RunId& run) { runs_.erase(run); }

  // Records of `run` newer than `version`, oldest first.
  std::vector<ProgressRecord> Since(const RunId& run, uint64_t version) const {
    std::map<uint64_t, ProgressRecord> ordered;
    if (const auto jobs = runs_.find(run); jobs != runs_.end()) {
      for (const auto& [job, record] : jobs->second) {
        if (record.version > version) {
          ordered.emplace(record.version, record);
        }
      }
    }
    std::vector<ProgressRecord> records;
    records.reserve(ordered.size());
    for (auto& [key, record] : ordered) {
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  std::map<RunId, std::map<JobId, ProgressRecord>> runs_;
  uint64_t version_ = 0;
};

}  // namespace rwku::coordinator
