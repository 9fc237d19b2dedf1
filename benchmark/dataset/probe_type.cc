#include "benchmark/dataset/probe_type.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace rwku::dataset {
namespace {

struct Spelling {
  absl::string_view spelling;
  absl::string_view canonical;
};

constexpr std::array<Spelling, 16> kSpellings = {{
    {kCloze, kCloze},
    {kSimpleQuestion, kSimpleQuestion},
    {kPrefixInjection, kPrefixInjection},
    {kAffirmativeSuffix, kAffirmativeSuffix},
    {kRolePlaying, kRolePlaying},
    {"role play", kRolePlaying},
    {kMultipleChoice, kMultipleChoice},
    {kReverseQuery, kReverseQuery},
    {kSynonymManipulation, kSynonymManipulation},
    {kBackgroundHint, kBackgroundHint},
    {"context hint", kBackgroundHint},
    {kIncontextLearning, kIncontextLearning},
    {"in context learning", kIncontextLearning},
    {kCrossLingual, kCrossLingual},
    {"cross lingal", kCrossLingual},
    {"crosslingual", kCrossLingual},
}};

std::string Normalised(absl::string_view type) {
  std::string text = absl::AsciiStrToLower(type);
  for (char& c : text) {
    if (c == '_' || c == '-') {
      c = ' ';
    }
  }
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

}  // namespace

std::string CanonicalProbeType(absl::string_view type) {
  const std::string text = Normalised(type);
  for (const Spelling& known : kSpellings) {
    if (text == known.spelling) {
      return std::string(known.canonical);
    }
  }
  // The language stands in brackets.
  if (absl::StartsWith(text, "cross lingual (") || absl::StartsWith(text, "cross lingal (")) {
    return std::string(kCrossLingual);
  }
  return std::string(absl::StripAsciiWhitespace(type));
}

}  // namespace rwku::dataset
