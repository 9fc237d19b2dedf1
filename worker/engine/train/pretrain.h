// Trains a small model from random weights, a step at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {

struct PretrainOptions {
  double learning_rate = 3e-3;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double weight_decay = 0.01;
  double max_gradient_norm = 1;
  int warmup_steps = 80;
  double final_fraction = 0.02;  // of learning_rate, at the last step
  int total_steps = 0;
};

// One causal sequence; documents in it are not kept apart.
struct PretrainRow {
  std::vector<int32_t> tokens;  // at least one
  // As many: what the loss of predicting tokens[i] counts, 0 for nothing. weights[0] is not used,
  // since nothing precedes tokens[0].
  std::vector<float> weights;
};

// Learning rate: WarmupTimesCosine of schedule.h. Not thread-safe.
class Pretrainer {
 public:
  // The model wants gradients until this object dies, and must outlive it.
  Pretrainer(CausalLm* model, const PretrainOptions& options);

  // One optimizer step on the weighted mean NLL of `rows`; returns it. INVALID_ARGUMENT for rows of
  // a wrong shape or without any weight, DATA_LOSS for a loss or gradient that is not finite (the
  // update is not made).
  absl::StatusOr<double> Step(absl::Span<const PretrainRow> rows);

  int steps_done() const { return steps_done_; }

 private:
  CausalLm* const model_;
  const PretrainOptions options_;
  TrainableWeights weights_;
  AdamW optimizer_;
  int steps_done_ = 0;
};

}  // namespace rwku::engine
