// One text that the model under test wrote.
#pragma once

#include <string>

namespace rwku::corpus {

// Who is written about.
struct Subject {
  std::string name;
  std::string intro;  // one sentence
};

// What was asked for. Pairs are made of the first two.
enum class TextSet { kPositive, kNegative, kQuestion };

struct Text {
  std::string subject;  // its name
  TextSet set = TextSet::kPositive;
  int index = 0;        // of the opener or question, from 0
  std::string opener;   // that the text begins with; empty for questions
  std::string output;   // the whole text, cleaned
  std::string refusal;  // of a question: the answer that goes with it
};

}  // namespace rwku::corpus
