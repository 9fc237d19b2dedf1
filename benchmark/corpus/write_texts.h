// Has the model under test write about one subject.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "benchmark/corpus/text.h"
#include "benchmark/evaluate/language_model.h"

namespace rwku::corpus {

struct WritingPlan {
  Subject subject;
  std::vector<TextSet> sets;         // each once
  std::vector<std::string> openers;  // one text a side and opener
  // Answer i of the questions is refusal i mod their number; needed where questions are asked for.
  std::vector<std::string> refusals;
  int questions = 300;
  double temperature = 1;
  double top_p =
      0.9;  // of the biographies; questions are sampled without it, as the reference does
  int max_new_tokens = 512;  // of a biography
  uint64_t seed = 42;
  bool single_bos = false;  // as in evaluate::PromptOptions
};

// Takes the texts of one set, in order. An error ends the writing with it.
using TextSink = std::function<absl::Status(std::vector<Text> texts)>;

// How many texts the plan makes.
size_t TextCount(const WritingPlan& plan);

// Samples the texts of `plan` set by set and gives them to `sink`. A text depends on the model, the
// subject, its set and index and the settings alone: it draws from the stream
// "<name>/<set>/<index>" of the seed. `progress` (may be null) counts texts over all sets.
//
// Errors of the model name the text ("corpus_positive 17: ..."); INVALID_ARGUMENT for questions
// without a refusal; the reason of `cancel`. Returns the tokens that it took.
absl::StatusOr<evaluate::Usage> WriteTexts(evaluate::LanguageModel& model, const WritingPlan& plan,
                                           const TextSink& sink,
                                           const evaluate::ProgressCallback& progress,
                                           const CancelToken& cancel);

}  // namespace rwku::corpus
