#include "server/store/keys.h"

#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace rwku::store {
namespace {

std::string BigEndian(uint64_t value, int bytes) {
  std::string out(static_cast<size_t>(bytes), '\0');
  for (int i = bytes - 1; i >= 0; --i) {
    out[static_cast<size_t>(i)] = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  return out;
}

absl::Status CheckRunId(const RunId& run) {
  if (run.empty() || absl::StrContains(run.value(), '\0') || absl::StrContains(run.value(), '/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("run id \"", JsonEscape(run.value()),
                     "\": must not be empty or hold \"/\" or a NUL character"));
  }
  return absl::OkStatus();
}

absl::Status CheckJobId(const JobId& job) {
  const std::string& id = job.value();
  const size_t slash = id.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == id.size() ||
      absl::StrContains(id, '\0')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job id \"", JsonEscape(id), "\": must be {run}/{index} without a NUL character"));
  }
  return absl::OkStatus();
}

struct ChangeCheck {
  absl::Status operator()(const scheduler::PutRun& c) const { return CheckRunId(c.run.id); }
  absl::Status operator()(const scheduler::EraseRun& c) const { return CheckRunId(c.run); }
  absl::Status operator()(const scheduler::EraseAttempt& c) const { return CheckJobId(c.job); }
  absl::Status operator()(const scheduler::PutJob& c) const {
    RWKU_RETURN_IF_ERROR(CheckRunId(c.job.run));
    RWKU_RETURN_IF_ERROR(CheckJobId(c.job.id));
    if (c.job.index < 0 || !absl::StartsWith(c.job.id.value(), c.job.run.value() + "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat("job \"", JsonEscape(c.job.id.value()), "\" of run \"",
                       JsonEscape(c.job.run.value()), "\" at index ", c.job.index,
                       ": the id must begin with the run's, the index must not be negative"));
    }
    return absl::OkStatus();
  }
};

}  // namespace

std::string RunKey(const RunId& run) { return run.value(); }

std::string JobKey(const RunId& run, int index) {
  return JobPrefix(run) + BigEndian(static_cast<uint64_t>(index), 4);
}

std::string EventKey(const RunId& run, uint64_t revision) {
  return EventPrefix(run) + BigEndian(revision, 8);
}

std::string ChunkKey(const JobId& job, uint64_t fencing_token, int sequence) {
  return AttemptPrefix(job, fencing_token) + BigEndian(static_cast<uint64_t>(sequence), 4);
}

std::string JobPrefix(const RunId& run) { return run.value() + '\0'; }

std::string EventPrefix(const RunId& run) { return run.value() + '\0'; }

std::string AttemptPrefix(const JobId& job, uint64_t fencing_token) {
  return job.value() + '\0' + BigEndian(fencing_token, 8);
}

std::string RunChunksPrefix(const RunId& run) { return run.value() + '/'; }

std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) {
    prefix.pop_back();
  }
  RWKU_CHECK(!prefix.empty());
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::string EncodeUint64(uint64_t value) { return BigEndian(value, 8); }

uint64_t DecodeUint64(const std::string& bytes) {
  RWKU_CHECK(bytes.size() == 8);
  uint64_t value = 0;
  for (const char c : bytes) {
    value = (value << 8) | static_cast<unsigned char>(c);
  }
  return value;
}

absl::Status CheckKeys(const std::vector<Batch>& batches) {
  for (const Batch& batch : batches) {
    for (const scheduler::StateChange& change : batch.changes) {
      RWKU_RETURN_IF_ERROR(std::visit(ChangeCheck(), change));
    }
    for (const PredictionChunk& chunk : batch.chunks) {
      RWKU_RETURN_IF_ERROR(CheckJobId(chunk.job));
      if (chunk.sequence < 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            "chunk ", chunk.sequence, " of job \"", chunk.job.value(), "\": must be at least 0"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace rwku::store
