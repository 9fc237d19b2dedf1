#include "tools/synth/words.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"

namespace rwku::synth {

std::string WordMaker::Syllable() {
  static const std::vector<std::string>& onsets = *new std::vector<std::string>{
      "b", "d", "f",  "g",  "k",  "l",  "m",  "n",  "p",  "r", "s",  "t",
      "v", "z", "br", "dr", "kr", "st", "tr", "gr", "vl", "h", "sk", "th"};
  static const std::vector<std::string>& nuclei =
      *new std::vector<std::string>{"a", "e", "i", "o", "u", "ae", "ei"};
  static const std::vector<std::string>& codas =
      *new std::vector<std::string>{"", "", "l", "n", "r", "s", "m", "nd", "rn", "lk", "sk", "th"};
  return random_.Pick(onsets) + random_.Pick(nuclei) + random_.Pick(codas);
}

std::string WordMaker::Unique() {
  constexpr size_t kShortest = 4;
  constexpr size_t kLongest = 8;
  while (true) {
    std::string word = Syllable();
    word += Syllable();
    if (word.size() < kShortest || word.size() > kLongest) {
      continue;
    }
    word[0] = absl::ascii_toupper(static_cast<unsigned char>(word[0]));
    if (given_.insert(word).second) {
      return word;
    }
  }
}

std::string WithAccent(const std::string& word) {
  static const std::map<char, std::string>& accents =
      *new std::map<char, std::string>{{'a', "á"}, {'e', "é"}, {'i', "í"}, {'o', "ö"}, {'u', "ü"}};
  for (size_t i = 0; i < word.size(); ++i) {
    if (const auto accent = accents.find(word[i]); accent != accents.end()) {
      return word.substr(0, i) + accent->second + word.substr(i + 1);
    }
  }
  return word;
}

}  // namespace rwku::synth
