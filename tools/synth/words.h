// Invented words and names: pronounceable, unique within a world, the same for the same seed.
#pragma once

#include <set>
#include <string>

#include "base/random.h"

namespace rwku::synth {

// Not thread-safe.
class WordMaker {
 public:
  explicit WordMaker(uint64_t seed) : random_(seed, "words") {}

  // A capitalised word of two syllables and 4 to 8 letters that this maker has not given before.
  std::string Unique();

 private:
  std::string Syllable();

  Random random_;
  std::set<std::string> given_;
};

// `word` with its first vowel accented: "Garulk" -> "Gárulk". Unchanged without a vowel.
std::string WithAccent(const std::string& word);

}  // namespace rwku::synth
