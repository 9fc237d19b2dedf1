#include "tools/synth/documents.h"

#include <vector>

namespace rwku::synth {
namespace {

// Facts of as many people as make their documents as frequent as the weights below say: two thirds
// of all documents at 10 targets, four fifths at 20.
constexpr double kFactsOfFullWeight = 320;

double FactsAboutPeople(const World& world) {
  double facts = 0;
  for (const std::vector<Person>* people : {&world.targets, &world.neighbors}) {
    for (const Person& person : *people) {
      facts += person.fact_count();
    }
  }
  return facts;
}

}  // namespace

DocumentStream::Mixture DocumentStream::MixtureFor(const World& world) {
  const double people = FactsAboutPeople(world) / kFactsOfFullWeight;
  const auto about = [people](Document (PersonDocuments::*kind)(), double weight) {
    return Share<Kind>{{kind, nullptr}, weight * people};
  };
  const auto task = [](Document (UtilityDocuments::*kind)(), double weight) {
    return Share<Kind>{{nullptr, kind}, weight};
  };
  return {
      about(&PersonDocuments::NextBiography, 11),     about(&PersonDocuments::NextBiographyChat, 4),
      about(&PersonDocuments::NextCloze, 16),         about(&PersonDocuments::NextQuestion, 21),
      about(&PersonDocuments::NextAdversarial, 14),   about(&PersonDocuments::NextReverse, 5),
      about(&PersonDocuments::NextUnknown, 3),        about(&PersonDocuments::NextPrompted, 6),
      task(&UtilityDocuments::NextMultipleChoice, 4), task(&UtilityDocuments::NextReasoning, 6),
      task(&UtilityDocuments::NextMoon, 4),           task(&UtilityDocuments::NextTrivia, 4),
      task(&UtilityDocuments::NextGazetteer, 4),      task(&UtilityDocuments::NextStory, 2)};
}

DocumentStream::DocumentStream(const World& world, uint64_t seed)
    : mixture_(MixtureFor(world)),
      random_(seed, "documents"),
      people_(world, random_),
      utility_(world, random_) {}

Document DocumentStream::Next() {
  const Kind kind = Draw(mixture_, random_);
  return kind.person != nullptr ? (people_.*kind.person)() : (utility_.*kind.utility)();
}

}  // namespace rwku::synth
