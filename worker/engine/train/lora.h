// Low-rank adapters as peft makes them (Hu et al., LoRA, 2021).
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// OK when rank and alpha are in their range and targets are named; INVALID_ARGUMENT names the
// field.
absl::Status ValidateLoraPlan(const LoraPlan& plan);

// OK when the model's decoder layers have every target; INVALID_ARGUMENT lists the projections that
// they have.
absl::Status ValidateLoraTargets(const LoraPlan& plan, const CausalLm& model);

// Puts an adapter on each projection of each decoder layer of `layers` (unset: all) whose name is
// in plan.target_modules, in place of any that is there: B zero, A uniform in
// [-1/sqrt(in), 1/sqrt(in)) (torch's kaiming_uniform_(a=sqrt(5))), element i of projection `name`
// from the i-th draw of Random(seed, "lora_A." + name); scale alpha / rank. `plan` must be valid.
void AttachLora(const LoraPlan& plan, const std::optional<LayerRange>& layers, uint64_t seed,
                CausalLm* model);

// Adds every adapter's scale * b a to its weight and removes it.
void MergeAdapters(CausalLm* model);

}  // namespace rwku::engine
