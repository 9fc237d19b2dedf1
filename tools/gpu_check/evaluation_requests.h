// Requests with the counts and lengths of one target's evaluation, of random tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/engine/decode/generate.h"
#include "worker/engine/score/score.h"

namespace rwku::gpu_check {

struct EvaluationRequests {
  std::vector<engine::DecodeRequest> generations;
  std::vector<engine::ScoreQuery> scores;
};

// The sets of RWKU for a target: MMLU (57 subjects, 3 questions each), BBH (27 tasks, 3 each),
// TruthfulQA (50 questions, 7 choices), TriviaQA, forget and neighbour probes, fluency and
// membership. Random tokens end nothing: every generation takes all its tokens. `share` of 1 is
// all, less leaves out requests and shortens them in proportion.
EvaluationRequests MakeEvaluation(int64_t vocabulary, double share);

// `count` random prompts of `tokens`.
std::vector<std::vector<int32_t>> RandomPrompts(int64_t vocabulary, size_t count, size_t tokens);

}  // namespace rwku::gpu_check
