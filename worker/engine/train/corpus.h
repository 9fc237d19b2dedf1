// A training's corpus as token ids, and which of them are learned from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "text/tokenizer.h"
#include "worker/engine/engine.h"

namespace rwku::engine {

struct TrainingSequence {
  std::vector<int32_t> tokens;  // not empty
  // As many: whether the token is a label of the position before it. The first never is.
  std::vector<bool> is_label;

  int64_t Labelled() const;
};

struct TrainingCorpus {
  // Item i is the sequences [i * sequences_per_item, (i + 1) * sequences_per_item): one text or
  // chat, or the chosen and the rejected answer of a pair.
  std::vector<TrainingSequence> sequences;
  int sequences_per_item = 1;

  int Items() const { return static_cast<int>(sequences.size()) / sequences_per_item; }
};

// Each text as `text + eos` without special tokens in front, cut off at `cutoff_tokens`; labels are
// the tokens after the first that are not eos. INVALID_ARGUMENT, naming `field` and the index, when
// there is nothing to learn from, a text cannot be encoded, or an id is beyond `model_vocabulary`.
absl::StatusOr<std::vector<TrainingSequence>> TokenizeTexts(absl::string_view field,
                                                            const std::vector<std::string>& texts,
                                                            int cutoff_tokens,
                                                            const text::Tokenizer& tokenizer,
                                                            int64_t model_vocabulary);

// What of the plan is not empty: texts, chats or pairs. For kCeu the first label of each sequence
// is dropped. INVALID_ARGUMENT as TokenizeTexts.
absl::StatusOr<TrainingCorpus> TokenizeCorpus(const TrainingPlan& plan,
                                              const text::Tokenizer& tokenizer,
                                              int64_t model_vocabulary);

// OK if every id is below `model_vocabulary`; else INVALID_ARGUMENT that begins with `where`.
absl::Status CheckIds(absl::string_view where, const std::vector<int32_t>& tokens,
                      int64_t model_vocabulary);

}  // namespace rwku::engine
