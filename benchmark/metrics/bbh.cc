#include "benchmark/metrics/bbh.h"

#include <vector>

#include "absl/strings/match.h"

#include "benchmark/metrics/squad.h"
#include "benchmark/metrics/text.h"
#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

// The group of the first match of `[t|T]he answer is (.*?)\.`.
std::optional<absl::string_view> FindAnswer(absl::string_view output) {
  constexpr absl::string_view kOpening = "he answer is ";
  constexpr absl::string_view kFirstLetters = "t|T";
  size_t at = 1;
  while ((at = output.find(kOpening, at)) != absl::string_view::npos) {
    const size_t start = at + kOpening.size();
    if (!absl::StrContains(kFirstLetters, output[at - 1])) {
      at = start;
      continue;
    }
    const size_t end = output.find_first_of(".\n", start);
    if (end == absl::string_view::npos) {
      break;
    }
    if (output[end] == '.') {
      return output.substr(start, end - start);
    }
    at = end;
  }
  return std::nullopt;
}

}  // namespace

std::string ExtractBbhAnswer(absl::string_view output) {
  const absl::string_view answer = StripWhitespace(FindAnswer(output).value_or(output));
  return std::string(answer.empty() ? "NOANSWER" : answer);
}

std::optional<double> ReaReference(absl::string_view prediction, absl::string_view answer) {
  std::vector<std::string> characters;
  for (const char32_t character : DecodeUtf8(answer)) {
    characters.push_back(EncodeUtf8(std::u32string_view(&character, 1)));
  }
  return ExactMatch(prediction, characters);
}

std::optional<double> ReaEm(absl::string_view prediction, absl::Span<const std::string> answers) {
  return ExactMatch(prediction, answers);
}

}  // namespace rwku::metrics
