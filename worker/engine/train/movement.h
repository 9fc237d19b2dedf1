// Proves that an update moved the weights that train, and no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {

// Follows each tensor that this optimizer updates, its master where it has one, from the first
// update with a learning rate above 0 until it has moved: while it has not, its gradient must not
// be zero and the update must be what float32 rounds away, or one of these holds:
//
//   * it is a lora_A whose lora_B is zero: nothing flows through the adapter yet;
//   * it is a query or key projection, and no label so far was predicted from more than one token:
//     attention to a single token does not depend on it.
//
// Every other weight and adapter of the model is compared before and after the first update. Uses
// TensorChecksum: two reads of the model, once a training, and no copy of it. Not thread-safe; the
// arguments must outlive it.
class MovementCheck {
 public:
  MovementCheck(CausalLm& model, const TrainableWeights& weights, const AdamW& optimizer);

  bool IsDue(double learning_rate, double gradient_norm) const {
    return !pending_.empty() && learning_rate > 0 && gradient_norm > 0;
  }

  // Just before the update, while there are gradients. `attends`: a label of this training was
  // predicted from more than one token. INTERNAL names a tensor without a gradient.
  absl::Status Before(bool attends);

  // Just after it. INTERNAL names the tensor that did not move or should not have.
  absl::Status After(double learning_rate);

 private:
  struct Pending {
    size_t index = 0;  // in the trainable weights
    bool is_excused = false;
    uint64_t checksum = 0;
  };

  bool IsExcused(size_t index, bool attends) const;

  const TrainableWeights& weights_;
  const AdamW& optimizer_;
  std::vector<NamedTensor> frozen_;  // empty after the first update
  std::vector<uint64_t> frozen_checksums_;
  std::vector<Pending> pending_;
};

}  // namespace rwku::engine
