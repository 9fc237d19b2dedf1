#include "tools/gpu_check/evaluation_requests.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"

namespace rwku::gpu_check {
namespace {

// A set: groups of items that begin alike.
struct Set {
  size_t groups = 1;
  size_t items = 1;   // of a group
  size_t shared = 0;  // tokens that a group's items begin with
  size_t own = 0;     // and those of one item
  int new_tokens = 0;
  size_t scored = 0;  // the last tokens of an item; what is left of the set asks for the next one
};

constexpr Set kGenerated[] = {
    {27, 3, 1050, 50, 256},  // BBH
    {1, 100, 30, 110, 30},   // TriviaQA
    {1, 122, 20, 55, 30},    // forget and neighbour
    {1, 50, 0, 40, 256},     // fluency
};
constexpr Set kScored[] = {
    {57, 3, 600, 100, 0, 0},  // MMLU
    {50, 7, 220, 20, 0, 20},  // TruthfulQA
    {1, 68, 0, 175, 0, 174},  // membership
};

class Maker {
 public:
  Maker(int64_t vocabulary, double share)
      : vocabulary_(static_cast<uint64_t>(vocabulary)), share_(share) {}

  std::vector<int32_t> Tokens(size_t count) {
    std::vector<int32_t> tokens(count);
    for (int32_t& token : tokens) {
      token = static_cast<int32_t>(random_.Below(vocabulary_));
    }
    return tokens;
  }

  size_t Some(size_t count) const {
    const auto some = static_cast<size_t>(std::ceil(share_ * static_cast<double>(count)));
    return count == 0 ? 0 : std::max<size_t>(1, some);
  }

  // Calls `function` with the tokens of every item of the set.
  template <typename Function>
  void ForEach(const Set& set, const Function& function) {
    for (size_t group = 0; group < Some(set.groups); ++group) {
      const std::vector<int32_t> shared = Tokens(Some(set.shared));
      for (size_t item = 0; item < Some(set.items); ++item) {
        std::vector<int32_t> tokens = shared;
        const std::vector<int32_t> own = Tokens(std::max<size_t>(2, Some(set.own)));
        tokens.insert(tokens.end(), own.begin(), own.end());
        function(std::move(tokens));
      }
    }
  }

 private:
  uint64_t vocabulary_;
  double share_;
  Random random_{1, "evaluation"};
};

}  // namespace

EvaluationRequests MakeEvaluation(int64_t vocabulary, double share) {
  Maker maker(vocabulary, share);
  EvaluationRequests requests;
  for (const Set& set : kGenerated) {
    const auto new_tokens = static_cast<int>(maker.Some(static_cast<size_t>(set.new_tokens)));
    maker.ForEach(set, [&](std::vector<int32_t> tokens) {
      requests.generations.push_back({std::move(tokens), new_tokens, {}});
    });
  }
  for (const Set& set : kScored) {
    maker.ForEach(set, [&](std::vector<int32_t> tokens) {
      engine::ScoreQuery query;
      query.request = requests.scores.size();
      const size_t scored = std::min(maker.Some(set.scored), tokens.size() - 1);
      query.first = tokens.size() - scored;
      if (scored == 0) {
        query.next = {0, 1, 2, 3};
      }
      query.context = std::move(tokens);
      requests.scores.push_back(std::move(query));
    });
  }
  return requests;
}

std::vector<std::vector<int32_t>> RandomPrompts(int64_t vocabulary, size_t count, size_t tokens) {
  Maker maker(vocabulary, 1);
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < count; ++i) {
    prompts.push_back(maker.Tokens(tokens));
  }
  return prompts;
}

}  // namespace rwku::gpu_check
