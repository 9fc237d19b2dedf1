// How much memory a training takes, and how many texts of it pass through the model at once.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

struct MemoryRequest {
  ModelConfig config;
  int64_t parameters = 0;          // of the model, float32
  int64_t trained_parameters = 0;  // float32, with two moments and a gradient each
  int64_t adapter_parameters = 0;  // not among `parameters`
  int compute_bytes = 4;           // an activation's
  int64_t first_layer = 0;         // gradients do not flow below it
  int64_t chunk_rows = 1;          // whose logits exist at once
  bool keeps_items_whole = false;  // all logits of an item exist at once
  bool has_reference_logits = false;
  bool copies_head = false;  // for the reference
  // Tokens of each forget item and of each retain text, in any order.
  std::vector<int64_t> item_tokens;
  std::vector<int64_t> retain_tokens;
  int batch_size = 1;           // of this rank's part of a batch
  int optimizer_ranks = 1;      // that share the moments
  int smallest_parts = 1;       // of a batch; a power of two
  int64_t available_bytes = 0;  // beyond the resident weights; 0 = unknown
};

struct ChosenMemoryPlan {
  MemoryPlan plan;
  int parts = 1;  // of a batch
};

// The fewest parts of a batch, a power of two from smallest_parts, with which what is needed beyond
// the weights fits into available_bytes: gradients, moments, adapters, activations and logits of
// the largest micro-batch that the items could make in any order. RESOURCE_EXHAUSTED, with the
// figures, if not even single items fit. Unknown memory counts as enough. At least one item.
absl::StatusOr<ChosenMemoryPlan> PlanMemory(const MemoryRequest& request);

// What autograd keeps of one token that passes through one decoder layer.
int64_t LayerActivationBytes(const ModelConfig& config, int compute_bytes);

}  // namespace rwku::engine
