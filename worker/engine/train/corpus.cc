#include "worker/engine/train/corpus.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "worker/engine/train/chat_sequence.h"

namespace rwku::engine {
namespace {

absl::Status CheckLabels(absl::string_view field, const std::vector<TrainingSequence>& sequences,
                         absl::string_view needed) {
  if (std::any_of(sequences.begin(), sequences.end(),
                  [](const TrainingSequence& sequence) { return sequence.Labelled() > 0; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", sequences.size(), " given, none has ", needed, " to learn from"));
}

void DropFirstLabel(TrainingSequence* sequence) {
  const auto first = std::find(sequence->is_label.begin(), sequence->is_label.end(), true);
  if (first != sequence->is_label.end()) {
    *first = false;
  }
}

}  // namespace

int64_t TrainingSequence::Labelled() const {
  return std::count(is_label.begin(), is_label.end(), true);
}

absl::Status CheckIds(absl::string_view where, const std::vector<int32_t>& tokens,
                      int64_t model_vocabulary) {
  const auto largest = std::max_element(tokens.begin(), tokens.end());
  if (largest == tokens.end() || *largest < model_vocabulary) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(where, ": the tokenizer gives id ", *largest,
                                                 ", the model knows ids below ", model_vocabulary));
}

absl::StatusOr<std::vector<TrainingSequence>> TokenizeTexts(absl::string_view field,
                                                            const std::vector<std::string>& texts,
                                                            int cutoff_tokens,
                                                            const text::Tokenizer& tokenizer,
                                                            int64_t model_vocabulary) {
  const int32_t eos = tokenizer.eos_id();
  std::vector<TrainingSequence> sequences;
  sequences.reserve(texts.size());
  for (const std::string& source : texts) {
    const std::string where = absl::StrCat(field, "[", sequences.size(), "]");
    auto tokens = tokenizer.Encode(source, /*add_special_tokens=*/false);
    if (!tokens.ok()) {
      return absl::Status(tokens.status().code(),
                          absl::StrCat(where, ": ", tokens.status().message()));
    }
    TrainingSequence sequence;
    sequence.tokens = *std::move(tokens);
    sequence.tokens.push_back(eos);
    sequence.tokens.resize(std::min(sequence.tokens.size(), static_cast<size_t>(cutoff_tokens)));
    RWKU_RETURN_IF_ERROR(CheckIds(where, sequence.tokens, model_vocabulary));
    for (const int32_t token : sequence.tokens) {
      sequence.is_label.push_back(!sequence.is_label.empty() && token != eos);
    }
    sequences.push_back(std::move(sequence));
  }
  RWKU_RETURN_IF_ERROR(CheckLabels(field, sequences, "two tokens or more"));
  return sequences;
}

absl::StatusOr<TrainingCorpus> TokenizeCorpus(const TrainingPlan& plan,
                                              const text::Tokenizer& tokenizer,
                                              int64_t model_vocabulary) {
  TrainingCorpus corpus;
  const auto add_chat = [&](const std::string& where, const std::string& prompt,
                            const std::string& response) -> absl::Status {
    RWKU_ASSIGN_OR_RETURN(
        TrainingSequence sequence,
        TokenizeChat(where, prompt, response, plan.cutoff_tokens, tokenizer, model_vocabulary));
    corpus.sequences.push_back(std::move(sequence));
    return absl::OkStatus();
  };
  absl::string_view field = "texts";
  if (!plan.chats.empty()) {
    field = "chats";
    for (size_t i = 0; i < plan.chats.size(); ++i) {
      RWKU_RETURN_IF_ERROR(
          add_chat(absl::StrCat("chats[", i, "]"), plan.chats[i].prompt, plan.chats[i].response));
    }
  } else if (!plan.pairs.empty()) {
    field = "pairs";
    corpus.sequences_per_item = 2;
    for (size_t i = 0; i < plan.pairs.size(); ++i) {
      const PreferencePair& pair = plan.pairs[i];
      RWKU_RETURN_IF_ERROR(
          add_chat(absl::StrCat("pairs[", i, "].chosen"), pair.prompt, pair.chosen));
      RWKU_RETURN_IF_ERROR(
          add_chat(absl::StrCat("pairs[", i, "].rejected"), pair.prompt, pair.rejected));
    }
  } else {
    RWKU_ASSIGN_OR_RETURN(corpus.sequences, TokenizeTexts(field, plan.texts, plan.cutoff_tokens,
                                                          tokenizer, model_vocabulary));
  }
  if (plan.objective == Objective::kCeu) {
    for (TrainingSequence& sequence : corpus.sequences) {
      DropFirstLabel(&sequence);
    }
    RWKU_RETURN_IF_ERROR(CheckLabels(field, corpus.sequences, "two labels or more"));
  }
  return corpus;
}

}  // namespace rwku::engine
