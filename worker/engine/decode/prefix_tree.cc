#include "worker/engine/decode/prefix_tree.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace rwku::engine {

namespace {

using Sequences = absl::Span<const absl::Span<const int32_t>>;

// A branching of the complete tree.
struct Branching {
  int parent = kNoNode;
  int64_t depth = 0;  // tokens from the root
  size_t first = 0;   // place in the order of the first sequence below
  size_t sequence = 0;
  int children = 0;
};

std::vector<size_t> SortedOrder(Sequences sequences) {
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto [at_a, at_b] = std::mismatch(sequences[a].begin(), sequences[a].end(),
                                            sequences[b].begin(), sequences[b].end());
    if (at_b == sequences[b].end()) {
      return at_a == sequences[a].end() && a < b;
    }
    return at_a == sequences[a].end() || *at_a < *at_b;
  });
  return order;
}

int64_t CommonLength(absl::Span<const int32_t> a, absl::Span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

// The branchings of the sorted sequences, from the lengths that neighbors share: those open at a
// place, from the root down, are the stack. Fills the place-wise parents.
class TreeBuilder {
 public:
  TreeBuilder(Sequences sequences, const std::vector<size_t>& order)
      : sequences_(sequences), order_(order) {}

  void Build(std::vector<Branching>& branchings, std::vector<int>& parents) {
    int64_t left = 0;  // shared with the sequence before
    for (size_t place = 0; place < order_.size(); ++place) {
      const int64_t right = place + 1 < order_.size() ? CommonLength(sequences_[order_[place]],
                                                                     sequences_[order_[place + 1]])
                                                      : 0;
      CloseDownTo(left, branchings);
      if (right > OpenDepth(branchings)) {
        Open(right, place, branchings);
      }
      parents.push_back(stack_.empty() ? kNoNode : stack_.back());
      if (!stack_.empty()) {
        Branching& parent = branchings[stack_.back()];
        ++parent.children;
        parent.sequence = std::min(parent.sequence, order_[place]);
      }
      left = right;
    }
    CloseDownTo(0, branchings);
  }

 private:
  int64_t OpenDepth(const std::vector<Branching>& branchings) const {
    return stack_.empty() ? 0 : branchings[stack_.back()].depth;
  }

  void Open(int64_t depth, size_t place, std::vector<Branching>& branchings) {
    stack_.push_back(static_cast<int>(branchings.size()));
    branchings.push_back({kNoNode, depth, place, order_[place], 0});
  }

  void CloseDownTo(int64_t depth, std::vector<Branching>& branchings) {
    while (OpenDepth(branchings) > depth) {
      const int closed = stack_.back();
      stack_.pop_back();
      if (depth > OpenDepth(branchings)) {
        Open(depth, branchings[closed].first, branchings);
      }
      if (!stack_.empty()) {
        branchings[closed].parent = stack_.back();
        Branching& parent = branchings[stack_.back()];
        ++parent.children;
        parent.sequence = std::min(parent.sequence, branchings[closed].sequence);
      }
    }
  }

  const Sequences sequences_;
  const std::vector<size_t>& order_;
  std::vector<int> stack_;
};

}  // namespace

PrefixPlan PlanPrefixes(Sequences sequences) {
  PrefixPlan plan;
  plan.order = SortedOrder(sequences);
  std::vector<Branching> branchings;
  std::vector<int> parents;  // by place in the order
  TreeBuilder(sequences, plan.order).Build(branchings, parents);

  std::vector<int> top_down(branchings.size());
  std::iota(top_down.begin(), top_down.end(), 0);
  std::sort(top_down.begin(), top_down.end(), [&](int a, int b) {
    const Branching& x = branchings[a];
    const Branching& y = branchings[b];
    return x.first != y.first ? x.first < y.first : x.depth < y.depth;
  });
  // The node that stands for a branching: its own, or that of the nearest kept ancestor.
  std::vector<int> nodes(branchings.size(), kNoNode);
  for (const int b : top_down) {
    const Branching& branching = branchings[b];
    const int parent = branching.parent == kNoNode ? kNoNode : nodes[branching.parent];
    const int64_t begin = parent == kNoNode ? 0 : plan.nodes[parent].end;
    // Children of branchings left out join this one: it saves no less than this.
    if ((branching.depth - begin) * (branching.children - 1) < kMinSavedTokens) {
      nodes[b] = parent;
      continue;
    }
    nodes[b] = static_cast<int>(plan.nodes.size());
    plan.nodes.push_back({parent, branching.sequence, begin, branching.depth, 0});
    if (parent != kNoNode) {
      ++plan.nodes[parent].children;
    }
  }
  plan.parents.resize(sequences.size(), kNoNode);
  for (size_t place = 0; place < parents.size(); ++place) {
    const int node = parents[place] == kNoNode ? kNoNode : nodes[parents[place]];
    plan.parents[plan.order[place]] = node;
    if (node != kNoNode) {
      ++plan.nodes[node].children;
    }
  }
  return plan;
}

PrefixPlan PlanWithoutSharing(size_t sequences) {
  PrefixPlan plan;
  plan.parents.resize(sequences, kNoNode);
  plan.order.resize(sequences);
  std::iota(plan.order.begin(), plan.order.end(), size_t{0});
  return plan;
}

void PutLargestFirst(absl::Span<const int64_t> sizes, PrefixPlan& plan) {
  // Where a part belongs among its siblings: the largest size first, then by its first place.
  using Rank = std::pair<int64_t, int64_t>;
  std::vector<Rank> own(plan.order.size());
  std::vector<int64_t> first_place(plan.nodes.size(), std::numeric_limits<int64_t>::max());
  std::vector<int64_t> largest(plan.nodes.size(), std::numeric_limits<int64_t>::min());
  for (size_t place = 0; place < plan.order.size(); ++place) {
    const size_t sequence = plan.order[place];
    own[sequence] = {-sizes[sequence], static_cast<int64_t>(place)};
    for (int node = plan.parents[sequence]; node != kNoNode; node = plan.nodes[node].parent) {
      first_place[node] = std::min(first_place[node], static_cast<int64_t>(place));
      largest[node] = std::max(largest[node], sizes[sequence]);
    }
  }
  std::vector<std::vector<Rank>> paths(plan.order.size());  // of every sequence, from the root
  for (size_t sequence = 0; sequence < paths.size(); ++sequence) {
    std::vector<Rank>& path = paths[sequence];
    path.push_back(own[sequence]);
    for (int node = plan.parents[sequence]; node != kNoNode; node = plan.nodes[node].parent) {
      path.emplace_back(-largest[node], first_place[node]);
    }
    std::reverse(path.begin(), path.end());
  }
  std::sort(plan.order.begin(), plan.order.end(),
            [&](size_t a, size_t b) { return paths[a] < paths[b]; });
}

}  // namespace rwku::engine
