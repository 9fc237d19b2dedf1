// Fluency of a generated text: how varied its word pairs and triples are.
#pragma once

#include <string>

#include "absl/types/span.h"

namespace rwku::metrics {

// Mean of 2/3 of the entropy of the bigrams of `tokens` and 4/3 of that of the trigrams, in bits:
// the n_gram_entropy of the reference (from Meng et al., "Locating and Editing Factual Associations
// in GPT", 2022), which tables print times 100. Fewer than n tokens have an entropy of 0. The
// tokens are those of NLTK's word_tokenize. Equal tokens give equal bits.
double NgramEntropy(absl::Span<const std::string> tokens);

}  // namespace rwku::metrics
