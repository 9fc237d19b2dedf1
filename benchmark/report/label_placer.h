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

  // `weight`: how bad it is to cover a unit of it; labels themselves have 1.
  void AddObstacle(const Box& box, double weight) { taken_.push_back({box, weight}); }

  // Where a label of this size goes that belongs to the point (x, y), `distance` away from it.
  Box Place(double x, double y, double distance, double width, double height);

 private:
  struct Taken {
    Box box;
    double weight;
  };

  Box bounds_;
  std::vector<Taken> taken_;
};

}  // namespace rwku::report
