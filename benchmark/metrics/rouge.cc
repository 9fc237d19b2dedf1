#include "benchmark/metrics/rouge.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"

#include "benchmark/metrics/text.h"

namespace rwku::metrics {
namespace {

using Word = uint32_t;
using Sentence = std::vector<Word>;

// Numbers words, so that comparing them is comparing integers.
class Vocabulary {
 public:
  Word Number(absl::string_view word) {
    return numbers_.try_emplace(word, static_cast<Word>(numbers_.size())).first->second;
  }
  size_t size() const { return numbers_.size(); }

 private:
  absl::flat_hash_map<absl::string_view, Word> numbers_;
};

// The sentences between the full stops. Nothing between two stops is no sentence; white space
// between them is a sentence of one empty word.
std::vector<Sentence> SplitSentences(absl::string_view text, Vocabulary& vocabulary) {
  std::vector<Sentence> sentences;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t stop = std::min(text.find('.', start), text.size());
    if (stop > start) {
      Sentence& sentence = sentences.emplace_back();
      for (const absl::string_view word : SplitWords(text.substr(start, stop - start))) {
        sentence.push_back(vocabulary.Number(word));
      }
      if (sentence.empty()) {
        sentence.push_back(vocabulary.Number(""));
      }
    }
    start = stop + 1;
  }
  return sentences;
}

enum class Step : uint8_t { kMatch, kReference, kHypothesis };

// Marks in `in_union` the words of one longest common subsequence. Of several equally long ones it
// is the package's: walking back from the ends, the hypothesis gives way on a tie.
void MarkCommonSubsequence(const Sentence& reference, const Sentence& hypothesis,
                           std::vector<bool>& in_union) {
  const size_t columns = hypothesis.size();
  std::vector<Step> steps(reference.size() * columns);
  std::vector<uint32_t> above(columns + 1, 0);
  std::vector<uint32_t> lengths(columns + 1, 0);
  for (size_t i = 0; i < reference.size(); ++i) {
    for (size_t j = 0; j < columns; ++j) {
      Step& step = steps[i * columns + j];
      if (reference[i] == hypothesis[j]) {
        step = Step::kMatch;
        lengths[j + 1] = above[j] + 1;
      } else if (above[j + 1] > lengths[j]) {
        step = Step::kReference;
        lengths[j + 1] = above[j + 1];
      } else {
        step = Step::kHypothesis;
        lengths[j + 1] = lengths[j];
      }
    }
    above.swap(lengths);
  }
  size_t i = reference.size();
  size_t j = columns;
  while (i > 0 && j > 0) {
    switch (steps[(i - 1) * columns + (j - 1)]) {
      case Step::kMatch:
        in_union[reference[i - 1]] = true;
        --i;
        --j;
        break;
      case Step::kReference:
        --i;
        break;
      case Step::kHypothesis:
        --j;
        break;
    }
  }
}

size_t CountDifferentWords(absl::Span<const Sentence> sentences) {
  absl::flat_hash_set<Word> words;
  for (const Sentence& sentence : sentences) {
    words.insert(sentence.begin(), sentence.end());
  }
  return words.size();
}

// The package's guard against 0 / 0; it moves f1 by about 1e-8.
double F1(double precision, double recall) {
  constexpr double kEpsilon = 1e-8;
  return 2.0 * ((precision * recall) / (precision + recall + kEpsilon));
}

using Ngram = std::vector<Word>;

absl::flat_hash_set<Ngram> NgramsOf(absl::Span<const Sentence> sentences, size_t n) {
  Sentence words;
  for (const Sentence& sentence : sentences) {
    words.insert(words.end(), sentence.begin(), sentence.end());
  }
  absl::flat_hash_set<Ngram> ngrams;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    ngrams.emplace(words.begin() + static_cast<std::ptrdiff_t>(i),
                   words.begin() + static_cast<std::ptrdiff_t>(i + n));
  }
  return ngrams;
}

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Rouge RougeN(absl::string_view hypothesis, absl::string_view reference, int n) {
  Vocabulary vocabulary;
  const std::vector<Sentence> hypothesis_sentences = SplitSentences(hypothesis, vocabulary);
  const std::vector<Sentence> reference_sentences = SplitSentences(reference, vocabulary);
  if (hypothesis_sentences.empty() || reference_sentences.empty()) {
    return {};
  }
  const auto ours = NgramsOf(hypothesis_sentences, static_cast<size_t>(n));
  const auto theirs = NgramsOf(reference_sentences, static_cast<size_t>(n));
  const auto common = static_cast<size_t>(std::count_if(
      ours.begin(), ours.end(), [&](const Ngram& ngram) { return theirs.contains(ngram); }));
  Rouge rouge;
  rouge.recall = Share(common, theirs.size());
  rouge.precision = Share(common, ours.size());
  rouge.f1 = F1(rouge.precision, rouge.recall);
  return rouge;
}

Rouge RougeL(absl::string_view hypothesis, absl::string_view reference) {
  Vocabulary vocabulary;
  const std::vector<Sentence> hypothesis_sentences = SplitSentences(hypothesis, vocabulary);
  const std::vector<Sentence> reference_sentences = SplitSentences(reference, vocabulary);
  if (hypothesis_sentences.empty() || reference_sentences.empty()) {
    return {};
  }
  std::vector<bool> in_union(vocabulary.size(), false);
  for (const Sentence& reference_sentence : reference_sentences) {
    for (const Sentence& hypothesis_sentence : hypothesis_sentences) {
      MarkCommonSubsequence(reference_sentence, hypothesis_sentence, in_union);
    }
  }
  const auto common = static_cast<double>(std::count(in_union.begin(), in_union.end(), true));

  Rouge rouge;
  rouge.recall = common / static_cast<double>(CountDifferentWords(reference_sentences));
  rouge.precision = common / static_cast<double>(CountDifferentWords(hypothesis_sentences));
  rouge.f1 = F1(rouge.precision, rouge.recall);
  return rouge;
}

double RougeLRecall(absl::string_view hypothesis, absl::string_view reference) {
  return RougeL(hypothesis, reference).recall;
}

}  // namespace rwku::metrics
