// The seeded stream of documents that teaches the tiny model its world.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/protocol/chat_prompt.h"
#include "tools/synth/probes.h"
#include "tools/synth/world.h"

namespace rwku::synth {

struct Document {
  // What stands before the text that is learnt; none for running text, which is learnt whole.
  std::optional<protocol::ChatPrompt> prompt;
  std::string text;  // an end-of-turn token follows it
  double weight =
      1;  // of each of its tokens in the loss: short answers count more than running text
};

// Endless. Equal worlds and seeds give equal streams. Keeps a reference to `world`.
class DocumentStream {
 public:
  DocumentStream(const World& world, uint64_t seed);

  Document Next();

 private:
  // A fact: a person (targets first, then neighbors) and an attribute.
  struct Fact {
    size_t person;
    Attribute attribute;
  };
  enum class Kind {
    kBiography,
    kBiographyChat,
    kCloze,
    kQuestion,
    kAdversarial,
    kReverse,
    kUnknown,
    kPrompted
  };

  const Person& PersonAt(size_t index) const;
  size_t people() const { return world_.targets.size() + world_.neighbors.size(); }
  // Facts of all people in turn, reshuffled after each round, a queue for every kind: exposure is
  // even.
  Fact NextFact(Kind kind);
  const Person& NextPerson(Kind kind);

  Document BiographyChat(const Person& person);
  static Document Answer(const Question& question, dataset::ProbeSet set, const std::string& answer,
                         const Person* unlearned);
  Document QuestionAbout(const Fact& fact);
  Document AdversarialAbout(const Fact& fact);
  Document UnknownPerson();
  Document Prompted();

  const World& world_;
  Random random_;
  std::map<Kind, std::vector<Fact>> fact_queues_;
  std::map<Kind, std::vector<size_t>> person_queues_;
};

}  // namespace rwku::synth
