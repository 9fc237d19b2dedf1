#include "benchmark/report/bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/random.h"

namespace rwku::report {
namespace {

constexpr double kLowest = 0.025;
constexpr double kHighest = 0.975;
// Columns resampled side by side: a target's values lie together, so that one index serves all.
constexpr size_t kLanes = 8;
// Tables of indices kept: 8 MB each at 200 targets. Rows without holes need one.
constexpr size_t kMostTables = 4;

// Orders `values` partly.
double Quantile(std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<ptrdiff_t>(std::floor(at));
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[below];
  if (below + 1 == static_cast<ptrdiff_t>(values.size())) {
    return low;
  }
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (high - low) * (at - static_cast<double>(below));
}

// Up to kLanes columns of `count` values each, padded with zeros: [count][kLanes].
std::vector<std::array<double, kLanes>> Interleaved(
    const std::vector<const std::vector<double>*>& columns, size_t first, size_t count) {
  std::vector<std::array<double, kLanes>> lanes(count);
  for (size_t lane = 0; lane < kLanes && first + lane < columns.size(); ++lane) {
    for (size_t i = 0; i < count; ++i) {
      lanes[i][lane] = (*columns[first + lane])[i];
    }
  }
  return lanes;
}

}  // namespace

const std::vector<uint32_t>& Bootstrap::Indices(size_t count) {
  if (indices_.size() >= kMostTables && !indices_.contains(count)) {
    indices_.clear();
  }
  std::vector<uint32_t>& indices = indices_[count];
  if (indices.empty()) {
    Random random(options_.seed, absl::StrCat("bootstrap of ", count));
    indices.resize(static_cast<size_t>(options_.resamples) * count);
    for (uint32_t& index : indices) {
      index = static_cast<uint32_t>(random.Below(count));
    }
  }
  return indices;
}

std::vector<std::optional<Interval>> Bootstrap::Intervals(
    const std::vector<std::vector<double>>& columns) {
  RWKU_CHECK(options_.resamples > 0);
  std::map<size_t, std::vector<size_t>> by_length;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].size() > 1) {
      by_length[columns[i].size()].push_back(i);
    }
  }
  std::vector<std::optional<Interval>> intervals(columns.size());
  const auto resamples = static_cast<size_t>(options_.resamples);
  std::array<std::vector<double>, kLanes> means;
  for (const auto& [count, members] : by_length) {
    const std::vector<uint32_t>& indices = Indices(count);
    std::vector<const std::vector<double>*> alike;
    alike.reserve(members.size());
    for (const size_t member : members) {
      alike.push_back(&columns[member]);
    }
    for (size_t first = 0; first < members.size(); first += kLanes) {
      const std::vector<std::array<double, kLanes>> lanes = Interleaved(alike, first, count);
      for (std::vector<double>& of_lane : means) {
        of_lane.resize(resamples);
      }
      const uint32_t* index = indices.data();
      for (size_t resample = 0; resample < resamples; ++resample) {
        std::array<double, kLanes> sums{};
        for (size_t i = 0; i < count; ++i, ++index) {
          const std::array<double, kLanes>& values = lanes[*index];
          for (size_t lane = 0; lane < kLanes; ++lane) {
            sums[lane] += values[lane];
          }
        }
        for (size_t lane = 0; lane < kLanes; ++lane) {
          means[lane][resample] = sums[lane] / static_cast<double>(count);
        }
      }
      for (size_t lane = 0; lane < kLanes && first + lane < members.size(); ++lane) {
        intervals[members[first + lane]] =
            Interval{Quantile(means[lane], kLowest), Quantile(means[lane], kHighest)};
      }
    }
  }
  return intervals;
}

std::optional<Interval> Bootstrap::MeanInterval(absl::Span<const double> values) {
  return Intervals({std::vector<double>(values.begin(), values.end())})[0];
}

}  // namespace rwku::report
