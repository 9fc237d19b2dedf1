#include "benchmark/corpus/kinds.h"

#include <algorithm>

#include "base/check.h"
#include "base/near_match.h"

namespace rwku::corpus {

absl::StatusOr<CorpusKind> ParseWrittenKind(absl::string_view name) {
  std::vector<std::string> known;
  for (const CorpusKind kind : kWrittenKinds) {
    if (dataset::CorpusKindName(kind) == name) {
      return kind;
    }
    known.emplace_back(dataset::CorpusKindName(kind));
  }
  return absl::InvalidArgumentError(UnknownNameMessage("corpus", name, known));
}

absl::string_view TextSetName(TextSet set) {
  switch (set) {
    case TextSet::kPositive:
      return "corpus_positive";
    case TextSet::kNegative:
      return "corpus_negative";
    case TextSet::kQuestion:
      return "corpus_reject";
  }
  CheckFailed(__FILE__, __LINE__, "a value of TextSet");
}

absl::StatusOr<TextSet> ParseTextSet(absl::string_view name) {
  std::vector<std::string> known;
  for (const TextSet set : kAllTextSets) {
    if (TextSetName(set) == name) {
      return set;
    }
    known.emplace_back(TextSetName(set));
  }
  return absl::InvalidArgumentError(UnknownNameMessage("set of texts", name, known));
}

std::vector<TextSet> TextSetsOf(absl::Span<const CorpusKind> kinds) {
  const auto has = [kinds](CorpusKind kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  };
  std::vector<TextSet> sets;
  if (has(CorpusKind::kPositive) || has(CorpusKind::kPair)) {
    sets.push_back(TextSet::kPositive);
  }
  if (has(CorpusKind::kNegative) || has(CorpusKind::kPair)) {
    sets.push_back(TextSet::kNegative);
  }
  if (has(CorpusKind::kReject)) {
    sets.push_back(TextSet::kQuestion);
  }
  return sets;
}

}  // namespace rwku::corpus
