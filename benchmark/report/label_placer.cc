#include "benchmark/report/label_placer.h"

#include <algorithm>
#include <array>

namespace rwku::report {
namespace {

// Where the label's centre lies from the point: right, left, above, below, then the corners.
struct Side {
  double x;
  double y;
};
constexpr std::array<Side, 8> kSides = {
    {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}}};
constexpr std::array<double, 3> kRings = {1, 2.2, 3.4};  // distances tried, nearest first
constexpr double kOutside = 1000;                        // cost of a unit beyond the bounds
constexpr double kFarther = 25;                          // of a step to the next ring
constexpr double kLater = 0.5;                           // of a side less liked

double Overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

double Beyond(const Box& box, const Box& bounds) {
  return std::max(0.0, bounds.left - box.left) + std::max(0.0, box.right - bounds.right) +
         std::max(0.0, bounds.top - box.top) + std::max(0.0, box.bottom - bounds.bottom);
}

}  // namespace

Box LabelPlacer::Place(double x, double y, double distance, double width, double height) {
  Box best;
  double least = -1;
  for (size_t ring = 0; ring < kRings.size(); ++ring) {
    for (size_t side = 0; side < kSides.size(); ++side) {
      const double center_x = x + kSides.at(side).x * (kRings.at(ring) * distance + width / 2);
      const double center_y = y + kSides.at(side).y * (kRings.at(ring) * distance + height / 2);
      const Box box{center_x - width / 2, center_y - height / 2, center_x + width / 2,
                    center_y + height / 2};
      double cost = kOutside * Beyond(box, bounds_) + kFarther * static_cast<double>(ring) +
                    kLater * static_cast<double>(side);
      for (const Taken& other : taken_) {
        cost += other.weight * Overlap(box, other.box);
      }
      if (least < 0 || cost < least) {
        least = cost;
        best = box;
      }
    }
  }
  taken_.push_back({best, 1});
  return best;
}

}  // namespace rwku::report
