#include "benchmark/dataset/corpora.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/near_match.h"
#include "base/status_macros.h"
#include "benchmark/dataset/record.h"

namespace rwku::dataset {

absl::string_view CorpusKindName(CorpusKind kind) {
  switch (kind) {
    case CorpusKind::kPassage:
      return "passage";
    case CorpusKind::kPositive:
      return "positive";
    case CorpusKind::kNegative:
      return "negative";
    case CorpusKind::kPair:
      return "pair";
    case CorpusKind::kReject:
      return "reject";
  }
  CheckFailed(__FILE__, __LINE__, "a value of CorpusKind");
}

absl::StatusOr<CorpusKind> ParseCorpusKind(absl::string_view name) {
  std::vector<std::string> known;
  for (const CorpusKind kind : kAllCorpusKinds) {
    if (CorpusKindName(kind) == name) {
      return kind;
    }
    known.emplace_back(CorpusKindName(kind));
  }
  return absl::InvalidArgumentError(UnknownNameMessage("corpus", name, known));
}

std::string CorpusFile(CorpusKind kind, absl::string_view family) {
  const bool of_phi = family == "phi3" && kind != CorpusKind::kPassage;
  return absl::StrCat(CorpusKindName(kind), of_phi ? "_phi" : "", ".json");
}

absl::StatusOr<std::string> ParseCorpusText(const Record& record) { return record.Text("text"); }

absl::StatusOr<PairRecord> ParsePair(const Record& record) {
  PairRecord pair;
  RWKU_ASSIGN_OR_RETURN(pair.prompt, record.Text("prompt"));
  RWKU_ASSIGN_OR_RETURN(std::vector<std::string> responses, record.Texts("response"));
  if (responses.size() != 2) {
    return record.Error("response", absl::StrCat("found ", responses.size(),
                                                 " texts, expected 2: chosen and rejected"));
  }
  pair.chosen = std::move(responses[0]);
  pair.rejected = std::move(responses[1]);
  return pair;
}

absl::StatusOr<RejectRecord> ParseReject(const Record& record) {
  RejectRecord reject;
  RWKU_ASSIGN_OR_RETURN(reject.instruction, record.Text("instruction"));
  RWKU_ASSIGN_OR_RETURN(reject.output, record.Text("output"));
  return reject;
}

}  // namespace rwku::dataset
