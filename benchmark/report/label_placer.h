// Puts labels beside points so that they do not cover each other.
#pragma once

#include <vector>

namespace rwku::report {

struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

// Greedy: each label takes the place around its point that covers least of what is there. Points
// are added before the first label is placed.
class LabelPlacer {
 public:
  // Labels stay inside `bounds`.
  explicit LabelPlacer(Box bounds) : bounds_(bounds) {}

  void AddObstacle(const Box& box) { taken_.push_back(box); }

  // Where a label of this size goes that belongs to the point (x, y), `distance` away from it.
  Box Place(double x, double y, double distance, double width, double height);

 private:
  Box bounds_;
  std::vector<Box> taken_;
};

}  // namespace rwku::report
