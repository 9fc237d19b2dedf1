// The key grammar of the store (docs/storage.md): ids, NUL, then big-endian numbers, so that byte
// order is the order of ids first and numbers second.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "base/strong_id.h"
#include "server/store/store.h"

namespace rwku::store {

std::string RunKey(const RunId& run);
std::string JobKey(const RunId& run, int index);
std::string EventKey(const RunId& run, uint64_t revision);
std::string ChunkKey(const JobId& job, uint64_t fencing_token, int sequence);

// What every key of a kind begins with, for one run or attempt.
std::string JobPrefix(const RunId& run);
std::string EventPrefix(const RunId& run);
std::string AttemptPrefix(const JobId& job, uint64_t fencing_token);
std::string RunChunksPrefix(const RunId& run);

// The smallest key after all keys that begin with `prefix`, which must not be empty or all 0xff.
std::string AfterPrefix(std::string prefix);

std::string EncodeUint64(uint64_t value);
// `bytes` must be 8 long.
uint64_t DecodeUint64(const std::string& bytes);

// INVALID_ARGUMENT for ids that the grammar cannot hold: empty, with NUL, a run id with "/", a job
// id that does not begin with its run's id and "/", negative numbers.
absl::Status CheckKeys(const std::vector<Batch>& batches);

}  // namespace rwku::store
