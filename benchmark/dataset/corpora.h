// What the methods train on.
#pragma once

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::dataset {

class Record;

enum class CorpusKind {
  kPassage,   // Wikipedia passages about the target
  kPositive,  // what the model itself says about the target
  kNegative,  // what the model makes up about the target
  kPair,      // a prompt with a made-up and a factual answer
  kReject,    // questions with refusals
};

inline constexpr std::array<CorpusKind, 5> kAllCorpusKinds = {
    CorpusKind::kPassage, CorpusKind::kPositive, CorpusKind::kNegative, CorpusKind::kPair,
    CorpusKind::kReject};

// "passage", "positive", "negative", "pair", "reject".
absl::string_view CorpusKindName(CorpusKind kind);

// INVALID_ARGUMENT with near matches for an unknown name.
absl::StatusOr<CorpusKind> ParseCorpusKind(absl::string_view name);

// The corpora are texts of the model under test, so Phi-3 has its own: "positive_phi.json" for the
// family "phi3", "positive.json" for every other; "passage.json" for all.
std::string CorpusFile(CorpusKind kind, absl::string_view family);

struct PairRecord {
  std::string prompt;
  std::string chosen;    // counterfactual
  std::string rejected;  // factual
};

struct RejectRecord {
  std::string instruction;  // a question about the target
  std::string output;       // a refusal
};

// The text of a passage, positive or negative record. Errors name record and field.
absl::StatusOr<std::string> ParseCorpusText(const Record& record);
absl::StatusOr<PairRecord> ParsePair(const Record& record);
absl::StatusOr<RejectRecord> ParseReject(const Record& record);

}  // namespace rwku::dataset
