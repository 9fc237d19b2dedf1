#include "benchmark/metrics/word_tokenize.h"

#include <cstddef>
#include <iterator>
#include <string_view>

#include "base/status_macros.h"
#include "benchmark/metrics/punkt_parameters.h"
#include "benchmark/metrics/python_text.h"
#include "benchmark/metrics/word_rules.h"

namespace rwku::metrics {
namespace {

std::vector<std::u32string_view> SentencesWithoutPunkt(std::u32string_view text) {
  std::vector<std::u32string_view> sentences;
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char32_t c = text[at];
    const size_t end = at + 1;
    if ((c == U'.' || c == U'!' || c == U'?') && end < text.size() && python::IsSpace(text[end])) {
      sentences.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }
  sentences.push_back(text.substr(begin));
  return sentences;
}

}  // namespace

absl::StatusOr<WordTokenizer> WordTokenizer::Load(const std::filesystem::path& punkt_folder) {
  RWKU_ASSIGN_OR_RETURN(PunktParameters parameters, LoadPunktParameters(punkt_folder));
  return WordTokenizer(Punkt(std::move(parameters)));
}

std::vector<std::string> WordTokenizer::Tokenize(absl::string_view text) const {
  const std::u32string decoded = python::Decode(text);
  std::vector<std::string> tokens;
  for (const std::u32string_view sentence :
       punkt_ ? punkt_->Sentences(decoded) : SentencesWithoutPunkt(decoded)) {
    std::vector<std::string> words = SentenceWords(sentence);
    tokens.insert(tokens.end(), std::make_move_iterator(words.begin()),
                  std::make_move_iterator(words.end()));
  }
  return tokens;
}

}  // namespace rwku::metrics
