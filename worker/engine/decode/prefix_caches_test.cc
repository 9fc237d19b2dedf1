#include "worker/engine/decode/prefix_caches.h"

#include <algorithm>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

constexpr int64_t kPassTokens = 1024;

class PrefixCachesTest : public testing::Test {
 protected:
  void SetUp() override {
    sequences_ = FewShotSequences(12);
    for (const std::vector<int32_t>& sequence : sequences_) {
      const auto size = static_cast<int64_t>(sequence.size());
      cached_.push_back({sequence, size, size - 1, cached_.size() + 100});
    }
    plan_ =
        PlanPrefixes(std::vector<absl::Span<const int32_t>>(sequences_.begin(), sequences_.end()));
    ASSERT_GE(plan_.nodes.size(), 3U);
  }

  std::vector<float> LastHidden(KvCache& cache, absl::Span<const int32_t> rest) {
    return HiddenAfter(runner_, cache, rest, rest.size() - 1);
  }

  // Every sequence's last hidden state, with at most `bytes` of caches.
  std::vector<std::vector<float>> RunAll(int64_t bytes) {
    usage_ = {};
    KvBudget budget(bytes);
    PrefixCaches caches(runner_, cached_, plan_, kPassTokens, budget, nullptr, usage_);
    std::vector<std::vector<float>> hidden(sequences_.size());
    while (!caches.done()) {
      auto started = caches.Take(4, cancel_);
      EXPECT_TRUE(started.ok()) << started.status();
      if (!started.ok() || started->empty()) {
        ADD_FAILURE() << "nothing started";
        break;
      }
      for (StartedSequence& sequence : *started) {
        EXPECT_LE(caches.bytes_in_use(), bytes);
        auto tokens = cached_[sequence.sequence].tokens.subspan(sequence.cache->length());
        if (tokens.empty()) {
          // Ends with its node: the last token again, after all but that one.
          HostKvCache whole(TinyConfig(), cached_[sequence.sequence].capacity);
          hidden[sequence.sequence] = LastHidden(whole, cached_[sequence.sequence].tokens);
        } else {
          hidden[sequence.sequence] = LastHidden(*sequence.cache, tokens);
        }
        caches.GiveBack(sequence);
      }
    }
    EXPECT_EQ(caches.bytes_in_use(), 0);
    return hidden;
  }

  int64_t BytesOfLongest() const {
    int64_t longest = 0;
    for (const CachedSequence& sequence : cached_) {
      longest = std::max(longest, HostKvCache::Bytes(TinyConfig(), sequence.capacity));
    }
    return longest;
  }

  std::vector<std::vector<float>> Alone() {
    std::vector<std::vector<float>> hidden;
    for (const std::vector<int32_t>& sequence : sequences_) {
      HostKvCache cache(TinyConfig(), static_cast<int64_t>(sequence.size()));
      hidden.push_back(LastHidden(cache, sequence));
    }
    return hidden;
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  HostRunner runner_{*model_};
  std::vector<std::vector<int32_t>> sequences_;
  std::vector<CachedSequence> cached_;
  PrefixPlan plan_;
  const CancelToken cancel_;
  evaluate::Usage usage_;
};

TEST_F(PrefixCachesTest, CopyOfAPrefixGoesOnToTheSameBits) {
  for (const size_t length : {size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{60}}) {
    const absl::Span<const int32_t> tokens = sequences_[0];
    HostKvCache prefix(TinyConfig(), static_cast<int64_t>(length));
    HiddenAfter(runner_, prefix, tokens.first(length), length);
    HostKvCache copy(TinyConfig(), static_cast<int64_t>(tokens.size()));
    copy.CopyPrefix(prefix);
    EXPECT_EQ(copy.length(), static_cast<int64_t>(length));
    HostKvCache whole(TinyConfig(), static_cast<int64_t>(tokens.size()));
    EXPECT_EQ(LastHidden(copy, tokens.subspan(length)), LastHidden(whole, tokens));
  }
}

TEST_F(PrefixCachesTest, SharedPrefixesChangeNoBitWhateverMemoryThereIs) {
  const std::vector<std::vector<float>> alone = Alone();
  const int64_t longest = BytesOfLongest();
  for (const double times : {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 100.0}) {
    EXPECT_EQ(RunAll(static_cast<int64_t>(times * static_cast<double>(longest))), alone)
        << times << " times the longest";
  }
}

TEST_F(PrefixCachesTest, EveryNodeIsComputedOnceWhereThereIsRoom) {
  RunAll(int64_t{1} << 30);
  int64_t naive = 0;
  int64_t planned = 0;
  for (size_t i = 0; i < sequences_.size(); ++i) {
    const auto size = static_cast<int64_t>(sequences_[i].size());
    naive += size;
    planned += size - (plan_.parents[i] == kNoNode ? 0 : plan_.nodes[plan_.parents[i]].end);
  }
  for (const PrefixNode& node : plan_.nodes) {
    planned += node.end - node.begin;
  }
  EXPECT_EQ(usage_.prompt_tokens, naive);
  EXPECT_EQ(usage_.computed_prompt_tokens, planned);
  EXPECT_LT(planned, naive / 2);
}

TEST_F(PrefixCachesTest, WithoutRoomForNodesSequencesAreComputedWhole) {
  const int64_t longest = BytesOfLongest();
  RunAll(longest);
  EXPECT_GT(usage_.computed_prompt_tokens, usage_.prompt_tokens / 2);
  EXPECT_LE(usage_.computed_prompt_tokens, usage_.prompt_tokens);
}

TEST_F(PrefixCachesTest, SequenceThatDoesNotFitAloneIsAnErrorOfItsRequest) {
  KvBudget budget(100);
  PrefixCaches caches(runner_, cached_, plan_, kPassTokens, budget, nullptr, usage_);
  const absl::Status status = caches.Take(4, cancel_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(evaluate::RequestOf(status), plan_.order[0] + 100);
}

TEST_F(PrefixCachesTest, NothingStartsWhileTheRoomIsTaken) {
  const int64_t longest = BytesOfLongest();
  const PrefixPlan plan = PlanWithoutSharing(cached_.size());
  KvBudget budget(longest);
  PrefixCaches caches(runner_, cached_, plan, kPassTokens, budget, nullptr, usage_);
  auto started = caches.Take(1, cancel_);
  ASSERT_TRUE(started.ok()) << started.status();
  ASSERT_EQ(started->size(), 1U);
  EXPECT_TRUE(caches.Take(4, cancel_)->empty());
  caches.GiveBack(started->front());
  EXPECT_FALSE(caches.Take(4, cancel_)->empty());
}

TEST_F(PrefixCachesTest, WhatOthersHoldOfTheBudgetIsWaitedForAndNoError) {
  const int64_t longest = BytesOfLongest();
  KvBudget budget(longest);
  ASSERT_TRUE(budget.TryTake(longest));
  PrefixCaches caches(runner_, cached_, plan_, kPassTokens, budget, nullptr, usage_);
  auto none = caches.Take(4, cancel_);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
  budget.GiveBack(longest);
  auto some = caches.Take(1, cancel_);
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_EQ(some->size(), 1U);
  EXPECT_EQ(budget.in_use(), caches.bytes_in_use());
}

TEST_F(PrefixCachesTest, NothingStartsInAPassThatOthersHaveFilled) {
  KvBudget budget(int64_t{1} << 30);
  PrefixCaches caches(runner_, cached_, plan_, kPassTokens, budget, nullptr, usage_);
  EXPECT_TRUE(caches.Take(4, cancel_, kPassTokens)->empty());
  EXPECT_EQ(caches.Take(4, cancel_, kPassTokens - 1)->size(), 1U);
}

TEST_F(PrefixCachesTest, HiddenStatesOfANodeAreThoseThatASequenceBelowWants) {
  for (CachedSequence& sequence : cached_) {
    sequence.first_wanted = 3;
  }
  size_t nodes = 0;
  KvBudget budget(int64_t{1} << 30);
  PrefixCaches caches(
      runner_, cached_, plan_, kPassTokens, budget,
      [&](const ComputedNode& node) {
        const int64_t begin = node.from == kNoNode ? 0 : plan_.nodes[node.from].end;
        const int64_t wanted = plan_.nodes[node.node].end - std::max(begin, int64_t{3});
        EXPECT_EQ(node.first_wanted, 3);
        EXPECT_EQ(node.count, wanted);
        HostKvCache cache(TinyConfig(), plan_.nodes[node.node].end);
        const auto tokens =
            cached_[plan_.nodes[node.node].sequence].tokens.first(plan_.nodes[node.node].end);
        const std::vector<float> whole = HiddenAfter(runner_, cache, tokens, 0);
        const auto width = static_cast<size_t>(TinyConfig().hidden_size);
        const size_t size = static_cast<size_t>(node.count) * width;
        const std::vector<float> rows = runner_.ToHost(*node.rows);
        EXPECT_EQ(
            absl::MakeConstSpan(rows).subspan(static_cast<size_t>(node.first_row) * width, size),
            absl::MakeConstSpan(whole).last(size));
        ++nodes;
        return absl::OkStatus();
      },
      usage_);
  while (!caches.done()) {
    auto started = caches.Take(100, cancel_);
    ASSERT_TRUE(started.ok()) << started.status();
    for (StartedSequence& sequence : *started) {
      caches.GiveBack(sequence);
    }
  }
  EXPECT_EQ(nodes, plan_.nodes.size());
}

}  // namespace
}  // namespace rwku::engine
