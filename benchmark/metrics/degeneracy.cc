#include "benchmark/metrics/degeneracy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/types/span.h"

#include "base/check.h"
#include "benchmark/metrics/text.h"
#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

constexpr size_t kMinRepetitions = 3;
constexpr size_t kMinWords = 4;
constexpr size_t kMaxUnitWords = 4;
constexpr size_t kMinCharacters = 12;

bool SaysAnything(std::u32string_view characters) {
  return std::any_of(characters.begin(), characters.end(), [](char32_t character) {
    return (IsWordCharacter(character) && character != U'_') || IsEmoji(character);
  });
}

// Whether each element equals the one `unit` before it.
template <typename Sequence>
bool Repeats(const Sequence& sequence, size_t unit) {
  return std::equal(sequence.begin() + static_cast<std::ptrdiff_t>(unit), sequence.end(),
                    sequence.begin());
}

bool IsRepeatedWords(absl::Span<const absl::string_view> words) {
  if (words.size() < kMinWords) {
    return false;
  }
  const absl::Span<const absl::string_view> all_but_last = words.first(words.size() - 1);
  for (size_t unit = 1; unit <= kMaxUnitWords && unit * kMinRepetitions <= words.size(); ++unit) {
    const absl::string_view due = words[words.size() - 1 - unit];
    const bool needs_whole_last = unit * kMinRepetitions == words.size();
    const bool last_fits =
        needs_whole_last ? words.back() == due : absl::StartsWith(due, words.back());
    if (last_fits && Repeats(all_but_last, unit)) {
      return true;
    }
  }
  return false;
}

bool IsRepeatedCharacters(std::u32string_view characters) {
  if (characters.size() < kMinCharacters) {
    return false;
  }
  for (size_t unit = 1; unit * kMinRepetitions <= characters.size(); ++unit) {
    if (Repeats(characters, unit)) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::string_view DegeneracyName(Degeneracy degeneracy) {
  switch (degeneracy) {
    case Degeneracy::kNone:
      return "none";
    case Degeneracy::kBlank:
      return "blank";
    case Degeneracy::kPunctuationOnly:
      return "punctuation_only";
    case Degeneracy::kRepeatedNgram:
      return "repeated_ngram";
  }
  RWKU_CHECK(false);
}

Degeneracy FindDegeneracy(absl::string_view output) {
  const std::vector<absl::string_view> words = SplitWords(output);
  if (words.empty()) {
    return Degeneracy::kBlank;
  }
  if (!SaysAnything(DecodeUtf8(output))) {
    return Degeneracy::kPunctuationOnly;
  }
  const bool repeats =
      words.size() == 1 ? IsRepeatedCharacters(DecodeUtf8(words.front())) : IsRepeatedWords(words);
  return repeats ? Degeneracy::kRepeatedNgram : Degeneracy::kNone;
}

}  // namespace rwku::metrics
