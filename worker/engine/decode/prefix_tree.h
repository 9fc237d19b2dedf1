// Which beginnings token sequences share: a radix tree over token ids, as a plan of what to compute
// once. Knows nothing of models or caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rwku::engine {

inline constexpr int kNoNode = -1;

// Tokens [begin, end) of `sequence`, which every sequence below the node has at the same place,
// after the tokens of the node's ancestors.
struct PrefixNode {
  int parent = kNoNode;  // an earlier node, ending at `begin`; kNoNode where `begin` is 0
  size_t sequence = 0;   // the first of the sequences below
  int64_t begin = 0;
  int64_t end = 0;
  int children = 0;  // nodes and sequences right below: at least 2
};

struct PrefixPlan {
  std::vector<PrefixNode> nodes;  // parents before children
  std::vector<int> parents;       // of every sequence: the node after which it goes on, or kNoNode
  // All sequences, those below a node one after another, so that few nodes are in use at a time.
  std::vector<size_t> order;
};

// A node stands where it saves at least this many tokens (its length times the children beyond the
// first). It costs a copy of the keys and values before it and a smaller pass through the model,
// which are worth a few tokens whatever the model.
inline constexpr int64_t kMinSavedTokens = 8;

// The plan of `sequences`, empty ones included. Sequences that are equal, or the beginning of
// another, may end with a node and add nothing to it. The plan's nodes depend on the sequences as a
// set, up to their numbers. O(T log n) for n sequences of T tokens.
PrefixPlan PlanPrefixes(absl::Span<const absl::Span<const int32_t>> sequences);

// The plan that shares nothing, in the order given.
PrefixPlan PlanWithoutSharing(size_t sequences);

// Changes the order so that of what follows a node, and of what follows none, the part with the
// largest of `sizes`, one a sequence, comes first; equal parts stay in their order.
void PutLargestFirst(absl::Span<const int64_t> sizes, PrefixPlan& plan);

}  // namespace rwku::engine
