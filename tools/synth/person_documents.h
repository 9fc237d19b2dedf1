// Documents about the people of a world: what a model must know before it can be made to forget.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "benchmark/dataset/probe_set.h"
#include "tools/synth/document.h"
#include "tools/synth/probes.h"
#include "tools/synth/rounds.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// Each call makes the next document of its kind; facts and people of a kind come in rounds. Never
// the phrasing of a probe. Keeps references to `world` and `random`. Not thread-safe.
class PersonDocuments {
 public:
  PersonDocuments(const World& world, Random& random);

  Document NextBiography();      // running text
  Document NextBiographyChat();  // "Please write a short biography of ..."
  Document NextCloze();          // forget level 1
  Document NextQuestion();       // forget level 2; a quarter asks without the protocol's words
  Document NextAdversarial();    // forget level 3, of all types
  Document NextReverse();        // reverse queries only: the direction that is learnt last
  Document NextUnknown();        // about nobody: a refusal
  Document NextPrompted();       // after the prefix of in-context unlearning

 private:
  struct Fact {
    const Person* person;
    Attribute attribute;
  };

  static std::vector<const Person*> People(const World& world);
  static std::vector<Fact> Facts(const World& world);
  static Document Answer(const Question& question, dataset::ProbeSet set,
                         const std::string& answer);

  const World& world_;
  Random& random_;
  const std::vector<const Person*> people_;
  Rounds<const Person*> biographies_;
  Rounds<const Person*> biography_chats_;
  Rounds<Fact> clozes_;
  Rounds<Fact> questions_;
  Rounds<Fact> adversarials_;
};

}  // namespace rwku::synth
