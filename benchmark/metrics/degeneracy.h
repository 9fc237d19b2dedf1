// Whether a model that should have answered produced nothing to score. Such an output scores 0 on
// forget probes, which reads as perfect forgetting; its rate is reported beside every score.
#pragma once

#include "absl/strings/string_view.h"

namespace rwku::metrics {

enum class Degeneracy {
  kNone,
  kBlank,
  kPunctuationOnly,
  kRepeatedNgram,
};

// "none", "blank", "punctuation_only", "repeated_ngram".
absl::string_view DegeneracyName(Degeneracy degeneracy);

// The first of these that holds of a generated text:
//
//   blank              nothing but white space (Python's)
//   punctuation only   no letter, number (Unicode's categories L and N) or emoji; symbols and the
//                      U+FFFD of broken bytes count as punctuation
//   repeated n-gram    The whole text is one unit at least three times over, then perhaps the
//                      beginning of a fourth or later one, as generation stops at a length. Of two
//                      words or more, the unit is 1 to 4 words between white space, and the text
//                      has at least 4 words; its last word may be the beginning of the one due. A
//                      text without inner white space repeats any number of characters and has at
//                      least 12, so that "1111" and "chachacha" are answers.
//
// Case and punctuation count.
Degeneracy FindDegeneracy(absl::string_view output);

}  // namespace rwku::metrics
