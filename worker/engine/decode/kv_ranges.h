// Which positions of an arena belong to which sequence. Knows no memory: it says what to move, and
// the owner of the arena moves it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace rwku::engine {

// Ranges of positions [0, size()), none overlapping another. The lowest free range that is long
// enough is taken.
class KvRanges {
 public:
  // `count` positions go from `from` to `to`, which is below; both ranges may overlap.
  struct Move {
    int64_t from = 0;
    int64_t to = 0;
    int64_t count = 0;

    friend bool operator==(const Move&, const Move&) = default;
  };

  explicit KvRanges(int64_t size) : size_(size) {}

  int64_t size() const { return size_; }
  int64_t in_use() const { return in_use_; }

  // The first position of a new range of `count`, at least 1; nothing where no free range is as
  // long, even if all free positions together are more.
  std::optional<int64_t> Allocate(int64_t count);

  // `begin` is that of a range.
  void Free(int64_t begin);

  // Puts all ranges one after another from position 0 on, in their order. The moves must be carried
  // out in the order given.
  std::vector<Move> Compact();

 private:
  const int64_t size_;
  int64_t in_use_ = 0;
  std::map<int64_t, int64_t> counts_;  // of each range, by its first position
};

}  // namespace rwku::engine
