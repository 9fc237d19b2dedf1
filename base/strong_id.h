// Identifiers that the compiler keeps apart: a RunId is no JobId, though both are strings.
#pragma once

#include <compare>
#include <string>
#include <utility>

namespace rwku {

template <typename Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend bool operator==(const StrongId&, const StrongId&) = default;
  friend auto operator<=>(const StrongId&, const StrongId&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  std::string value_;
};

// The id part of "runs/{run}", e.g. "r0000000a".
using RunId = StrongId<struct RunIdTag>;
// The id part of "runs/{run}/jobs/{job}" together with its run: "{run}/{job}".
using JobId = StrongId<struct JobIdTag>;
// A worker's name, stable over its restarts.
using WorkerId = StrongId<struct WorkerIdTag>;

}  // namespace rwku
