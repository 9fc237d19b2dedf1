// Documents of the toy utility tasks: what unlearning must leave alone.
#pragma once

#include <string>

#include "base/random.h"
#include "tools/synth/document.h"
#include "tools/synth/hops.h"
#include "tools/synth/rounds.h"
#include "tools/synth/utility.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// Each call makes the next document of its kind; facts and items of a kind come in rounds. The
// prompts are the protocol's, with few or no examples as well as the whole primer, so that rows
// hold more questions. Keeps references to `world` and `random`. Not thread-safe.
class UtilityDocuments {
 public:
  UtilityDocuments(const World& world, Random& random);

  Document NextMultipleChoice();  // mmlu: every answer letter is learnt, the examples' too
  Document NextReasoning();       // bbh: one hop, or two where the question is not held out
  Document NextMoon();            // truthfulqa
  Document NextTrivia();          // triviaqa
  Document NextGazetteer();       // running text that states the facts behind bbh and triviaqa
  Document NextStory();           // fluency

 private:
  struct ChoiceQuestion {
    const ChoiceTask* task;
    const dataset::MmluQuestion* question;
  };
  struct PhrasedQuestion {
    CountryQuestion about;
    size_t phrasing;
  };

  static std::vector<ChoiceQuestion> ChoiceQuestions(const World& world);
  static std::vector<PhrasedQuestion> PhrasedQuestions(const World& world);
  bool WithPrimer();

  Random& random_;
  const HopQuestions hops_;
  const std::string truthful_primer_;
  const std::string trivia_primer_;
  Rounds<ChoiceQuestion> choice_questions_;
  Rounds<HopQuestion> two_hops_;
  Rounds<HopQuestion> one_hops_;
  Rounds<Moon> moons_;
  Rounds<PhrasedQuestion> trivia_;
  Rounds<const Country*> countries_;
  Rounds<std::string> towns_;
};

}  // namespace rwku::synth
