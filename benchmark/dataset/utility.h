// The items that measure what the model must keep.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rwku::dataset {

class Record;

struct MmluQuestion {
  std::string question;
  std::vector<std::string> choices;  // four
  int answer = 0;                    // index of the right choice
};

struct MmluItem {
  std::string task;  // e.g. "abstract_algebra"
  MmluQuestion question;
  std::vector<MmluQuestion> examples;  // solved ones, shown before the question
};

struct BbhItem {
  std::string task;
  std::string chain_of_thought;  // the few-shot prompt
  std::string question;
  std::vector<std::string> answers;
  // Whether the data has them as a list. The published data has one string, which the reference's
  // metric reads character by character.
  bool has_list = false;
};

// Choices and whether each is true; at least one is, and at least one is not.
struct TruthfulChoices {
  std::vector<std::string> choices;
  std::vector<bool> labels;
};

struct TruthfulItem {
  std::string question;
  TruthfulChoices mc1;
  TruthfulChoices mc2;
};

struct TriviaItem {
  std::string question;
  std::vector<std::string> answers;  // all accepted
};

// Errors name record and field.
absl::StatusOr<MmluItem> ParseMmlu(const Record& record);
absl::StatusOr<BbhItem> ParseBbh(const Record& record);
absl::StatusOr<TruthfulItem> ParseTruthful(const Record& record);
absl::StatusOr<TriviaItem> ParseTrivia(const Record& record);
// The instruction of a fluency item.
absl::StatusOr<std::string> ParseFluency(const Record& record);

}  // namespace rwku::dataset
