#include "worker/engine/train/corpus.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <ATen/ops/tensor.h>

namespace rwku::engine {

absl::StatusOr<std::vector<TrainingText>> TokenizeTexts(const TrainingPlan& plan,
                                                        const text::Tokenizer& tokenizer,
                                                        int64_t model_vocabulary) {
  const int32_t eos = tokenizer.eos_id();
  std::vector<TrainingText> texts;
  texts.reserve(plan.texts.size());
  int64_t labelled = 0;
  for (const std::string& source : plan.texts) {
    TrainingText text;
    auto tokens = tokenizer.Encode(source, /*add_special_tokens=*/false);
    if (!tokens.ok()) {
      return absl::Status(tokens.status().code(),
                          absl::StrCat("texts[", texts.size(), "]: ", tokens.status().message()));
    }
    text.tokens = *std::move(tokens);
    text.tokens.push_back(eos);
    text.tokens.resize(std::min(text.tokens.size(), static_cast<size_t>(plan.cutoff_tokens)));
    const int32_t largest = *std::max_element(text.tokens.begin(), text.tokens.end());
    if (largest >= model_vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("texts[", texts.size(), "]: the tokenizer gives id ", largest,
                       ", the model knows ids below ", model_vocabulary));
    }
    text.labelled = std::count_if(text.tokens.begin() + 1, text.tokens.end(),
                                  [eos](int32_t token) { return token != eos; });
    labelled += text.labelled;
    texts.push_back(std::move(text));
  }
  if (labelled == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("texts: ", texts.size(), " given, none has two tokens or more to learn from"));
  }
  return texts;
}

LabelledPack PackTexts(absl::Span<const TrainingText* const> texts, int32_t eos_id,
                       at::Device device) {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<int64_t> positions;
  std::vector<int64_t> targets;
  LabelledPack pack;
  int64_t offset = 0;
  for (const TrainingText* const text : texts) {
    const std::vector<int32_t>& tokens = text->tokens;
    for (size_t i = 1; i < tokens.size(); ++i) {
      if (tokens[i] != eos_id) {
        positions.push_back(offset + static_cast<int64_t>(i) - 1);
        targets.push_back(tokens[i]);
      }
    }
    pack.text_ends.push_back(static_cast<int64_t>(positions.size()));
    offset += static_cast<int64_t>(tokens.size());
    sequences.push_back(tokens);
  }
  pack.input = MakePacked(sequences, device);
  pack.positions = at::tensor(positions, at::kLong).to(device);
  pack.targets = at::tensor(targets, at::kLong).to(device);
  return pack;
}

}  // namespace rwku::engine
