// ROUGE as the Python package `rouge` 1.0.1 computes it; its ROUGE-L recall is the number that
// forget and neighbor probes are scored with.
#pragma once

#include "absl/strings/string_view.h"

namespace rwku::metrics {

struct Rouge {
  double recall = 0;
  double precision = 0;
  double f1 = 0;
};

// Summary-level ROUGE-L, equal to `Rouge().get_scores(hypothesis, reference, avg=True)["rouge-l"]`:
// both texts are split on "." into sentences and on white space (Python's, with Unicode) into
// words; the union of the longest common subsequences of every pair of sentences, as a set of
// words, is divided by the number of different words in the reference (recall) and in the
// hypothesis (precision). A sentence of white space only counts as one empty word, as it does in
// the package. Case and punctuation other than the full stop count.
//
// Where the package raises, all three are 0: for a text that is empty or made of full stops only.
// Replacing a blank prediction by NOANSWER is the caller's part. UTF-8; bytes that are no UTF-8
// stand for themselves. Time and memory grow with the product of the two longest sentences.
Rouge RougeL(absl::string_view hypothesis, absl::string_view reference);

// RougeL(...).recall, from 0 to 1.
double RougeLRecall(absl::string_view hypothesis, absl::string_view reference);

// ROUGE-1 or ROUGE-2 (n = 1 or 2), equal to get_scores(...)["rouge-1"] and ["rouge-2"]: of the
// different n-grams of the words of all sentences, run together, the common ones as a share of the
// reference's (recall) and of the hypothesis's (precision); 0 where a side has none.
Rouge RougeN(absl::string_view hypothesis, absl::string_view reference, int n);

}  // namespace rwku::metrics
