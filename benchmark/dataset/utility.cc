#include "benchmark/dataset/utility.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/dataset/record.h"

namespace rwku::dataset {
namespace {

constexpr int kMmluChoices = 4;

absl::StatusOr<MmluQuestion> ParseMmluQuestion(const Record& record) {
  MmluQuestion question;
  RWKU_ASSIGN_OR_RETURN(question.question, record.Text("question"));
  RWKU_ASSIGN_OR_RETURN(question.choices, record.Texts("choices"));
  if (question.choices.size() != kMmluChoices) {
    return record.Error("choices", absl::StrCat("found ", question.choices.size(),
                                                " choices, expected ", kMmluChoices));
  }
  RWKU_ASSIGN_OR_RETURN(question.answer, record.Integer("answer", 0, kMmluChoices - 1));
  return question;
}

absl::StatusOr<TruthfulChoices> ParseTruthfulChoices(const Record& item, absl::string_view field) {
  RWKU_ASSIGN_OR_RETURN(const Record targets, item.Object(field));
  TruthfulChoices parsed;
  RWKU_ASSIGN_OR_RETURN(parsed.choices, targets.Texts("choices"));
  RWKU_ASSIGN_OR_RETURN(const std::vector<int> labels, targets.Integers("labels", 0, 1));
  if (labels.size() != parsed.choices.size()) {
    return targets.Error("labels", absl::StrCat("found ", labels.size(), " labels for ",
                                                parsed.choices.size(), " choices"));
  }
  const auto true_choices = std::count(labels.begin(), labels.end(), 1);
  if (true_choices == 0 || static_cast<size_t>(true_choices) == labels.size()) {
    return targets.Error("labels", "expected at least one true and one false choice");
  }
  parsed.labels.assign(labels.begin(), labels.end());
  return parsed;
}

}  // namespace

absl::StatusOr<MmluItem> ParseMmlu(const Record& record) {
  MmluItem item;
  RWKU_ASSIGN_OR_RETURN(item.task, record.Text("task"));
  RWKU_ASSIGN_OR_RETURN(item.question, ParseMmluQuestion(record));
  RWKU_ASSIGN_OR_RETURN(const std::vector<Record> examples, record.Objects("examples"));
  item.examples.reserve(examples.size());
  for (const Record& example : examples) {
    RWKU_ASSIGN_OR_RETURN(MmluQuestion question, ParseMmluQuestion(example));
    item.examples.push_back(std::move(question));
  }
  return item;
}

absl::StatusOr<BbhItem> ParseBbh(const Record& record) {
  BbhItem item;
  RWKU_ASSIGN_OR_RETURN(item.task, record.Text("task"));
  RWKU_ASSIGN_OR_RETURN(item.chain_of_thought, record.Text("cot"));
  RWKU_ASSIGN_OR_RETURN(item.question, record.Text("question"));
  RWKU_ASSIGN_OR_RETURN(item.answers, record.TextOrTexts("answer"));
  item.has_list = record.IsArray("answer");
  return item;
}

absl::StatusOr<TruthfulItem> ParseTruthful(const Record& record) {
  TruthfulItem item;
  RWKU_ASSIGN_OR_RETURN(item.question, record.Text("question"));
  RWKU_ASSIGN_OR_RETURN(item.mc1, ParseTruthfulChoices(record, "mc1_targets"));
  RWKU_ASSIGN_OR_RETURN(item.mc2, ParseTruthfulChoices(record, "mc2_targets"));
  return item;
}

absl::StatusOr<TriviaItem> ParseTrivia(const Record& record) {
  TriviaItem item;
  RWKU_ASSIGN_OR_RETURN(item.question, record.Text("question"));
  RWKU_ASSIGN_OR_RETURN(item.answers, record.Texts("answers"));
  return item;
}

absl::StatusOr<std::string> ParseFluency(const Record& record) {
  return record.Text("instruction");
}

}  // namespace rwku::dataset
