// A trained model as files that transformers and peft read.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Writes `model`, which was loaded from the folder `source` with the weights `pristine` (in the
// order of NamedParameters(), on the host), into `folder`. That is made, its parents too, and must
// not exist; it appears at once, whole.
//
// Where there are adapters, of one rank and scale, on weights that equal `pristine`: the layout of
// peft, adapter_config.json (base_model_name_or_path is `source`) and adapter_model.safetensors.
// Else the layout of the hub: config.json of `source`, model.safetensors with adapters merged in.
// In both float32, beside them the tokenizer's files, generation_config.json and the chat template
// as far as `source` has them.
//
// ALREADY_EXISTS where `folder` is there; RESOURCE_EXHAUSTED when memory or the disk is full; the
// cancel token's reason between pieces of 32 MB. Nothing is left behind after an error.
absl::Status ExportModel(CausalLm& model, absl::Span<const at::Tensor> pristine,
                         const std::filesystem::path& source, const std::filesystem::path& folder,
                         const CancelToken& cancel);

}  // namespace rwku::engine
