#include "worker/engine/decode/prefix_tree.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace rwku::engine {
namespace {

using Sequence = std::vector<int32_t>;
using Sequences = std::vector<Sequence>;
using testing::ElementsAre;

PrefixPlan PlanOf(const Sequences& sequences) {
  return PlanPrefixes(std::vector<absl::Span<const int32_t>>(sequences.begin(), sequences.end()));
}

Sequence Count(int from, int to) {
  Sequence tokens(static_cast<size_t>(to - from));
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

Sequence Joined(Sequence a, const Sequence& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Grown from each other and from nothing, over few ids, so that they share much.
Sequences RandomSequences(Random& random) {
  Sequences sequences;
  const auto count = random.Below(40);
  while (sequences.size() < count) {
    Sequence sequence;
    if (!sequences.empty() && random.Below(5) > 0) {
      sequence = random.Pick(sequences);
      sequence.resize(random.Below(sequence.size() + 1));
    }
    for (uint64_t left = random.Below(30); left > 0; --left) {
      sequence.push_back(static_cast<int32_t>(random.Below(3)));
    }
    sequences.push_back(sequence);
  }
  return sequences;
}

// The tokens of a node and its ancestors.
Sequence PathOf(const PrefixPlan& plan, const Sequences& sequences, int node) {
  if (node == kNoNode) {
    return {};
  }
  const PrefixNode& here = plan.nodes[node];
  Sequence path = PathOf(plan, sequences, here.parent);
  EXPECT_EQ(static_cast<int64_t>(path.size()), here.begin);
  const Sequence& tokens = sequences[here.sequence];
  path.insert(path.end(), tokens.begin() + here.begin, tokens.begin() + here.end);
  return path;
}

int64_t ComputedTokens(const PrefixPlan& plan, const Sequences& sequences) {
  int64_t tokens = 0;
  for (const PrefixNode& node : plan.nodes) {
    tokens += node.end - node.begin;
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    const int node = plan.parents[i];
    tokens += static_cast<int64_t>(sequences[i].size());
    tokens -= node == kNoNode ? 0 : plan.nodes[node].end;
  }
  return tokens;
}

TEST(PrefixTreeTest, EverySequenceBeginsWithItsPath) {
  Random random(1, "paths");
  for (int round = 0; round < 300; ++round) {
    const Sequences sequences = RandomSequences(random);
    const PrefixPlan plan = PlanOf(sequences);
    ASSERT_EQ(plan.parents.size(), sequences.size());
    for (size_t i = 0; i < sequences.size(); ++i) {
      const Sequence path = PathOf(plan, sequences, plan.parents[i]);
      ASSERT_LE(path.size(), sequences[i].size());
      EXPECT_TRUE(std::equal(path.begin(), path.end(), sequences[i].begin()));
    }
  }
}

TEST(PrefixTreeTest, NodesComeAfterTheirParentsAndSaveTokens) {
  Random random(2, "nodes");
  for (int round = 0; round < 300; ++round) {
    const PrefixPlan plan = PlanOf(RandomSequences(random));
    std::vector<int> children(plan.nodes.size());
    for (const int parent : plan.parents) {
      if (parent != kNoNode) {
        ++children[parent];
      }
    }
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const PrefixNode& node = plan.nodes[i];
      ASSERT_LT(node.parent, static_cast<int>(i));
      EXPECT_EQ(node.begin, node.parent == kNoNode ? 0 : plan.nodes[node.parent].end);
      EXPECT_GE(node.children, 2);
      EXPECT_GE((node.end - node.begin) * (node.children - 1), kMinSavedTokens);
      if (node.parent != kNoNode) {
        ++children[node.parent];
      }
    }
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      EXPECT_EQ(children[i], plan.nodes[i].children);
    }
  }
}

TEST(PrefixTreeTest, OrderVisitsEverySequenceOnceAndEveryNodeInOneGo) {
  Random random(3, "order");
  for (int round = 0; round < 300; ++round) {
    const Sequences sequences = RandomSequences(random);
    const PrefixPlan plan = PlanOf(sequences);
    std::vector<size_t> all(sequences.size());
    std::iota(all.begin(), all.end(), size_t{0});
    EXPECT_THAT(plan.order, testing::UnorderedElementsAreArray(all));
    std::set<int> open;
    std::set<int> closed;
    for (const size_t sequence : plan.order) {
      std::set<int> path;
      for (int node = plan.parents[sequence]; node != kNoNode; node = plan.nodes[node].parent) {
        path.insert(node);
        EXPECT_EQ(closed.count(node), 0U);
      }
      std::set_difference(open.begin(), open.end(), path.begin(), path.end(),
                          std::inserter(closed, closed.end()));
      open = path;
    }
  }
}

// Each distinct beginning costs one token where nothing is left out.
TEST(PrefixTreeTest, ComputesEveryDistinctBeginningOnceButForShortNodes) {
  Random random(4, "count");
  for (int round = 0; round < 300; ++round) {
    const Sequences sequences = RandomSequences(random);
    std::set<Sequence> beginnings;
    int64_t naive = 0;
    for (const Sequence& sequence : sequences) {
      naive += static_cast<int64_t>(sequence.size());
      for (size_t length = 1; length <= sequence.size(); ++length) {
        beginnings.insert(
            Sequence(sequence.begin(), sequence.begin() + static_cast<ptrdiff_t>(length)));
      }
    }
    const auto least = static_cast<int64_t>(beginnings.size());
    const int64_t computed = ComputedTokens(PlanOf(sequences), sequences);
    EXPECT_GE(computed, least);
    EXPECT_LE(computed, naive);
    // A tree of n sequences branches less than n times.
    const auto branchings = static_cast<int64_t>(sequences.size());
    EXPECT_LE(computed, least + branchings * (kMinSavedTokens - 1));
  }
}

TEST(PrefixTreeTest, OrderOfTheSequencesChangesNothing) {
  Random random(5, "shuffled");
  const auto nodes_of = [](const Sequences& sequences) {
    const PrefixPlan plan = PlanOf(sequences);
    std::map<Sequence, int> nodes;
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      nodes[PathOf(plan, sequences, static_cast<int>(i))] = plan.nodes[i].children;
    }
    return nodes;
  };
  for (int round = 0; round < 100; ++round) {
    Sequences sequences = RandomSequences(random);
    const std::map<Sequence, int> nodes = nodes_of(sequences);
    random.Shuffle(sequences);
    EXPECT_EQ(nodes_of(sequences), nodes);
  }
}

TEST(PrefixTreeTest, NestedPrefixesAreNestedNodes) {
  const Sequence outer = Count(100, 120);
  const Sequence inner = Joined(outer, Count(200, 210));
  const PrefixPlan plan =
      PlanOf({Joined(inner, {1}), Joined(outer, {2}), Joined(inner, {3}), Count(0, 9)});
  ASSERT_EQ(plan.nodes.size(), 2U);
  EXPECT_EQ(plan.nodes[0].end, 20);
  EXPECT_EQ(plan.nodes[1].parent, 0);
  EXPECT_EQ(plan.nodes[1].begin, 20);
  EXPECT_EQ(plan.nodes[1].end, 30);
  EXPECT_THAT(plan.parents, ElementsAre(1, 0, 1, kNoNode));
}

TEST(PrefixTreeTest, EqualSequencesEndWithTheirNode) {
  const PrefixPlan plan = PlanOf({Count(0, 50), {7}, Count(0, 50), Count(0, 50)});
  ASSERT_EQ(plan.nodes.size(), 1U);
  EXPECT_EQ(plan.nodes[0].end, 50);
  EXPECT_EQ(plan.nodes[0].children, 3);
  EXPECT_EQ(plan.nodes[0].sequence, 0U);
  EXPECT_THAT(plan.parents, ElementsAre(0, kNoNode, 0, 0));
}

TEST(PrefixTreeTest, ShortPrefixIsLeftOutUnlessManyShareIt) {
  EXPECT_TRUE(PlanOf({{1, 2, 3}, {1, 2, 4}}).nodes.empty());
  Sequences many;
  for (int32_t i = 0; i < 5; ++i) {
    many.push_back({1, 2, 100 + i});
  }
  EXPECT_EQ(PlanOf(many).nodes.size(), 1U);
}

TEST(PrefixTreeTest, NothingAndEmptySequencesHaveNoNodes) {
  EXPECT_TRUE(PlanOf({}).order.empty());
  EXPECT_THAT(PlanOf({{}, {1}, {}}).parents, ElementsAre(kNoNode, kNoNode, kNoNode));
}

TEST(PutLargestFirstTest, PartsOfANodeStayTogetherAndTheLargestComesFirst) {
  // 0 to 2 share a beginning, 1 and 2 a longer one, 3 stands alone, 4 and 5 share another.
  const std::vector<int32_t> first = {1, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<int32_t> second = {2, 2, 2, 2, 2, 2, 2, 2};
  std::vector<std::vector<int32_t>> sequences = {first, first, first, {3}, second, second};
  sequences[0].push_back(1);
  for (const size_t longer : {1, 2}) {
    sequences[longer].insert(sequences[longer].end(), second.begin(), second.end());
    sequences[longer].push_back(static_cast<int32_t>(longer));
  }
  sequences[5].push_back(9);
  std::vector<absl::Span<const int32_t>> spans(sequences.begin(), sequences.end());
  PrefixPlan plan = PlanPrefixes(spans);
  ASSERT_EQ(plan.nodes.size(), 3U);
  const PrefixPlan before = plan;
  PutLargestFirst({5, 5, 5, 5, 5, 5}, plan);
  EXPECT_EQ(plan.order, before.order);
  PutLargestFirst({30, 30, 40, 256, 30, 50}, plan);
  EXPECT_EQ(plan.order, (std::vector<size_t>{3, 5, 4, 2, 1, 0}));
  EXPECT_EQ(plan.parents, before.parents);
}

TEST(PutLargestFirstTest, WithoutSharingItIsAStableSort) {
  PrefixPlan plan = PlanWithoutSharing(5);
  PutLargestFirst({30, 256, 30, 256, 512}, plan);
  EXPECT_EQ(plan.order, (std::vector<size_t>{4, 1, 3, 0, 2}));
}

}  // namespace
}  // namespace rwku::engine
