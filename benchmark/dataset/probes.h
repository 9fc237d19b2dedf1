// What the benchmark asks about a target: questions with reference answers, and texts.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "benchmark/dataset/probe_set.h"

namespace rwku::dataset {

class Record;

// A question of forget level 1-3 or neighbor level 1-2.
struct Probe {
  std::string subject;  // the target
  std::string query;
  std::string answer;
  std::string type;      // canonical, see probe_type.h
  std::string neighbor;  // neighbor sets only
};

// A text of forget_mia or retain_mia.
struct MiaText {
  std::string subject;
  std::string text;
};

// True for the five sets that hold Probes.
bool IsQuestionSet(ProbeSet set);
// True for the two sets that hold MiaTexts.
bool IsMiaSet(ProbeSet set);

// INVALID_ARGUMENT names record and field.
absl::StatusOr<Probe> ParseProbe(const Record& record, ProbeSet set);
absl::StatusOr<MiaText> ParseMiaText(const Record& record);

}  // namespace rwku::dataset
