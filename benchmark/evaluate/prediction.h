// What the model said to one probe, with its scores.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "benchmark/dataset/probe_set.h"

namespace rwku::evaluate {

struct Score {
  std::string name;  // "rouge_l_recall", "loss", "zlib", "min_k_20", "min_k_plus_plus_20"
  std::optional<double>
      value;  // in natural units; nullopt = could not be computed: missing, never 0
};

// Which of TruthfulQA's two lists a choice belongs to.
enum class ChoiceList {
  kOnly,  // the item has one list (mmlu)
  kMc1,
  kMc2,
};

struct Choice {
  std::string text;
  bool is_correct = false;
  ChoiceList list = ChoiceList::kOnly;
  double log_probability = 0;  // natural, of the whole choice after the prompt
};

// What a prediction keeps besides its scores is what the model did: ScorePrediction (scoring.h)
// makes the scores from it alone.
struct Prediction {
  std::string target;  // the target whose probe this is
  dataset::ProbeSet probe_set = dataset::ProbeSet::kForgetLevel1;
  int index = 0;         // position in the target's file of the set, from 0
  std::string type;      // canonical probe type, or the task of mmlu and bbh; empty elsewhere
  std::string query;     // the question or instruction, or the text of a membership probe
  std::string answer;    // reference answer, the first of several; empty for texts and fluency
  std::string neighbor;  // neighbor that the probe asks about; empty elsewhere
  std::string output;    // what the model generated, stripped; empty where it does not generate
  std::vector<Score> scores;
  // triviaqa: every answer that counts; bbh: likewise where the data has a list. A single string of
  // bbh is `answer` alone.
  std::vector<std::string> accepted_answers;
  std::vector<Choice> choices;  // mmlu; truthfulqa: those of mc1, then those of mc2
  // Question sets only, one entry a token of the reference answer after the prompt: natural
  // log-probability of the token, and whether it is the most likely one.
  std::vector<float> answer_log_probabilities;
  std::vector<bool> answer_is_most_likely;
  // Membership probes only, one entry a token after the first: natural log-probability of the
  // token, and mean and variance of the log-probability under the model's own next-token
  // distribution.
  std::vector<float> token_log_probabilities;
  std::vector<float> token_means;
  std::vector<float> token_variances;
  // Evaluation that it belongs to, as in proto/rwku/v1/prediction.proto; 0 = the last one.
  int checkpoint = 0;
};

}  // namespace rwku::evaluate
