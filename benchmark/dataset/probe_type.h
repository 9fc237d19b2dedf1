// The kinds of probe under one name each, however the data spells them.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rwku::dataset {

inline constexpr absl::string_view kCloze = "cloze";
inline constexpr absl::string_view kSimpleQuestion = "simple question";
inline constexpr absl::string_view kPrefixInjection = "prefix injection";
inline constexpr absl::string_view kAffirmativeSuffix = "affirmative suffix";
inline constexpr absl::string_view kRolePlaying = "role playing";
inline constexpr absl::string_view kMultipleChoice = "multiple choice";
inline constexpr absl::string_view kReverseQuery = "reverse query";
inline constexpr absl::string_view kSynonymManipulation = "synonym manipulation";
inline constexpr absl::string_view kBackgroundHint = "background hint";
inline constexpr absl::string_view kIncontextLearning = "incontext learning";
inline constexpr absl::string_view kCrossLingual = "cross lingual";

// One of the names above for every spelling that occurs in the data ("context hint", "role play",
// "cross lingual (French)", "in-context learning", ...); case, '_', '-' and runs of spaces do not
// matter. A type that is unknown keeps its own name, stripped.
std::string CanonicalProbeType(absl::string_view type);

}  // namespace rwku::dataset
