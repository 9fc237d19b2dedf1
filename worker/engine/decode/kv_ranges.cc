#include "worker/engine/decode/kv_ranges.h"

#include "base/check.h"

namespace rwku::engine {

std::optional<int64_t> KvRanges::Allocate(int64_t count) {
  RWKU_CHECK(count > 0);
  int64_t begin = 0;
  for (const auto& [taken, length] : counts_) {
    if (taken - begin >= count) {
      break;
    }
    begin = taken + length;
  }
  if (size_ - begin < count) {
    return std::nullopt;
  }
  counts_.emplace(begin, count);
  in_use_ += count;
  return begin;
}

void KvRanges::Free(int64_t begin) {
  const auto found = counts_.find(begin);
  RWKU_CHECK(found != counts_.end());
  in_use_ -= found->second;
  counts_.erase(found);
}

std::vector<KvRanges::Move> KvRanges::Compact() {
  std::vector<Move> moves;
  std::map<int64_t, int64_t> together;
  int64_t next = 0;
  for (const auto& [begin, count] : counts_) {
    if (begin != next) {
      moves.push_back({begin, next, count});
    }
    together.emplace(next, count);
    next += count;
  }
  counts_ = std::move(together);
  return moves;
}

}  // namespace rwku::engine
