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

struct Prediction {
  std::string target;  // the target whose probe this is
  dataset::ProbeSet probe_set = dataset::ProbeSet::kForgetLevel1;
  int index = 0;         // position in the target's file of the set, from 0
  std::string type;      // canonical probe type; empty for texts
  std::string query;     // the question, or the text of a membership probe
  std::string answer;    // reference answer; empty for texts
  std::string neighbor;  // neighbor that the probe asks about; empty elsewhere
  std::string output;    // what the model generated, stripped; empty for texts
  std::vector<Score> scores;
  // Membership probes only, one entry a token after the first: natural log-probability of the
  // token, and mean and variance of the log-probability under the model's own next-token
  // distribution.
  std::vector<float> token_log_probabilities;
  std::vector<float> token_means;
  std::vector<float> token_variances;
};

}  // namespace rwku::evaluate
