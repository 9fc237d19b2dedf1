// Names of the corpora that a model can write and of the texts that they are made of.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "benchmark/corpus/text.h"
#include "benchmark/dataset/corpora.h"

namespace rwku::corpus {

using dataset::CorpusKind;

inline constexpr std::array<CorpusKind, 4> kWrittenKinds = {
    CorpusKind::kPositive, CorpusKind::kNegative, CorpusKind::kPair, CorpusKind::kReject};

inline constexpr std::array<TextSet, 3> kAllTextSets = {TextSet::kPositive, TextSet::kNegative,
                                                        TextSet::kQuestion};

// "positive", "negative", "pair" or "reject". INVALID_ARGUMENT with near matches.
absl::StatusOr<CorpusKind> ParseWrittenKind(absl::string_view name);

// "corpus_positive", "corpus_negative", "corpus_reject".
absl::string_view TextSetName(TextSet set);
// INVALID_ARGUMENT with near matches.
absl::StatusOr<TextSet> ParseTextSet(absl::string_view name);

// What must be written for `kinds`, in order, each once.
std::vector<TextSet> TextSetsOf(absl::Span<const CorpusKind> kinds);

}  // namespace rwku::corpus
