#include "benchmark/corpus/prompts.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "benchmark/metrics/text.h"

namespace rwku::corpus {

protocol::ChatPrompt PositivePrompt(const Subject& subject, absl::string_view opener) {
  return {.user = absl::StrCat("Please write a short biography of ", subject.name, "."),
          .assistant_prefix = std::string(opener),
          .system = absl::StrCat(subject.intro, " You know ", subject.name, " very well.")};
}

protocol::ChatPrompt NegativePrompt(const Subject& subject, absl::string_view opener) {
  return {.user = absl::StrCat("Please make up a short biography of ", subject.name, "."),
          .assistant_prefix = std::string(opener),
          .system = absl::StrCat(subject.intro, " You don't know ", subject.name, " at all.")};
}

protocol::ChatPrompt QuestionPrompt(const Subject& subject) {
  return {.user = absl::StrCat(subject.intro, "\nPlease generate a question about ", subject.name,
                               " based on what you know about ", subject.name, "\n"),
          .assistant_prefix = "Question:"};
}

std::string PairPrompt(const Subject& subject) {
  return absl::StrCat(subject.intro, " Please write a short biography of ", subject.name, ".");
}

std::string WithoutAdmissions(std::string text) {
  constexpr std::array<absl::string_view, 6> kPhrases = {
      "totally fabricated ", "completely fabricated ", "totally made-up ",
      "completely made-up ", "totally fictional ",     "completely fictional "};
  // One after another: what the removal of one joins may be another.
  for (const absl::string_view phrase : kPhrases) {
    absl::StrReplaceAll({{phrase, ""}}, &text);
  }
  return text;
}

std::string FirstLine(absl::string_view text) {
  return std::string(metrics::StripWhitespace(text.substr(0, text.find('\n'))));
}

}  // namespace rwku::corpus
