// A training's texts as token ids, and the positions of them that are learned from.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "text/tokenizer.h"
#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

struct TrainingText {
  std::vector<int32_t> tokens;  // not empty
  // Tokens after the first that are not eos: they are labels of the position before them.
  int64_t labelled = 0;
};

// Each text as `text + eos` without special tokens in front, cut off at plan.cutoff_tokens.
// INVALID_ARGUMENT when there is nothing to learn from, a text cannot be encoded, or an id is
// beyond `model_vocabulary`.
absl::StatusOr<std::vector<TrainingText>> TokenizeTexts(const TrainingPlan& plan,
                                                        const text::Tokenizer& tokenizer,
                                                        int64_t model_vocabulary);

// Texts that pass through the model together.
struct LabelledPack {
  PackedSequences input;
  at::Tensor positions;  // [N] int64, into the packed tokens, that have a label
  at::Tensor targets;    // [N] int64
  // Text i's labelled positions end here (and begin where text i - 1's end).
  std::vector<int64_t> text_ends;
};

LabelledPack PackTexts(absl::Span<const TrainingText* const> texts, int32_t eos_id,
                       at::Device device);

}  // namespace rwku::engine
