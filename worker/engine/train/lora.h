// Low-rank adapters as peft makes them (Hu et al., LoRA, 2021).
#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// OK when the rank, alpha and target modules can be attached to any model; INVALID_ARGUMENT names
// the field and lists the projections that can be targets.
absl::Status ValidateLoraPlan(const LoraPlan& plan);

// Puts an adapter on each projection of each layer whose name is in plan.target_modules, in place
// of any that is there: B zero, A uniform in [-1/sqrt(in), 1/sqrt(in)) (torch's
// kaiming_uniform_(a=sqrt(5))), element i of projection `name` from the i-th draw of
// Random(seed, "lora_A." + name); scale alpha / rank. `plan` must be valid.
void AttachLora(const LoraPlan& plan, uint64_t seed, CausalLm* model);

}  // namespace rwku::engine
