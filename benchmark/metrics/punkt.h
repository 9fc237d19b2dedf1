// Sentence boundaries by Punkt (Kiss and Strunk 2006, "Unsupervised Multilingual Sentence Boundary
// Detection"), decided as NLTK 3.9.2's PunktSentenceTokenizer decides them. Nothing is trained
// here.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "benchmark/metrics/punkt_parameters.h"

namespace rwku::metrics {

// Immutable once made: threads may share one.
class Punkt {
 public:
  explicit Punkt(PunktParameters parameters) : parameters_(std::move(parameters)) {}

  // The sentences of `text` in order, none empty, views into it; white space at the start of the
  // text belongs to the first, other white space around sentences to none. Takes linear time.
  std::vector<std::u32string_view> Sentences(std::u32string_view text) const;

 private:
  struct Token;

  Token Classify(std::u32string_view text) const;
  bool EndsSentence(const Token& token, const Token& next) const;
  // Whether a sentence ends within `context`, before its last token.
  bool ContainsBoundary(std::u32string_view context) const;

  PunktParameters parameters_;
};

}  // namespace rwku::metrics
