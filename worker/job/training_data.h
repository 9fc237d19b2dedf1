// What a method trains on, from the dataset: the corpora of its targets and the texts to keep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "benchmark/dataset/dataset.h"
#include "benchmark/methods/method_info.h"
#include "benchmark/methods/recipe.h"
#include "worker/engine/engine.h"

namespace rwku::job {

// Other targets that retain texts are drawn from, at most.
inline constexpr int kMaxRetainTargets = 16;

// One of texts, chats and pairs is not empty, whichever the method's corpus holds.
struct TrainingData {
  std::vector<std::string> texts;
  std::vector<engine::ChatExample> chats;
  std::vector<engine::PreferencePair> pairs;
  std::vector<std::string> retain_texts;  // empty where the recipe has no retain term

  size_t size() const { return texts.size() + chats.size() + pairs.size(); }
};

// The corpora of `targets` one after another, of each the first recipe.max_texts; `family` chooses
// the files, see dataset::CorpusFile. With a retain term also as many retain texts as there are
// items, drawn with `seed`:
//   targets: texts of the method's corpus (of "positive" for corpora that are no texts) about up to
//     kMaxRetainTargets other targets, the same number of each up to rounding;
//   neighbors: question and answer of the targets' neighbor probes, blanks filled in.
//
// `targets` belong to `data`. Empty for a method that does not train. INVALID_ARGUMENT and
// NOT_FOUND name the file and record, or the recipe's field.
absl::StatusOr<TrainingData> ReadTrainingData(const dataset::Dataset& data,
                                              absl::Span<const dataset::TargetInfo* const> targets,
                                              const methods::MethodInfo& method,
                                              const methods::Recipe& recipe,
                                              absl::string_view family, uint64_t seed);

}  // namespace rwku::job
