// NLTK's word_tokenize for English: Punkt's sentences, then the Treebank rules on each.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/metrics/punkt.h"

namespace rwku::metrics {

// Immutable once made: threads may share one.
class WordTokenizer {
 public:
  // nltk.word_tokenize of NLTK 3.9.2 under Python 3.11, with the Punkt parameters of
  // `punkt_folder`, such as NLTK's tokenizers/punkt_tab/english. The errors of
  // LoadPunktParameters.
  static absl::StatusOr<WordTokenizer> Load(const std::filesystem::path& punkt_folder);

  // The same rules for words where no Punkt parameters are at hand. A sentence ends at each ".",
  // "!" or "?" that white space follows, so that "Mr. King" is "Mr", ".", "King".
  static WordTokenizer WithoutPunkt() { return WordTokenizer(std::nullopt); }

  // The tokens of `text` in order, UTF-8, none empty. Double quotes come back as `` and ''. A byte
  // that is not UTF-8 counts as U+FFFD. Takes linear time.
  std::vector<std::string> Tokenize(absl::string_view text) const;

  // What finds the sentences, to be recorded beside figures made of tokens: "punkt" or "fallback".
  absl::string_view name() const { return punkt_ ? "punkt" : "fallback"; }

 private:
  explicit WordTokenizer(std::optional<Punkt> punkt) : punkt_(std::move(punkt)) {}

  std::optional<Punkt> punkt_;
};

}  // namespace rwku::metrics
