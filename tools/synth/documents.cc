#include "tools/synth/documents.h"

#include <array>

#include "tools/synth/shares.h"

namespace rwku::synth {
namespace {

using PersonKind = Document (PersonDocuments::*)();
using UtilityKind = Document (UtilityDocuments::*)();

// One of the two is set.
struct Kind {
  PersonKind person = nullptr;
  UtilityKind utility = nullptr;
};

constexpr Share<Kind> Of(PersonKind kind, double weight) { return {{kind, nullptr}, weight}; }
constexpr Share<Kind> Of(UtilityKind kind, double weight) { return {{nullptr, kind}, weight}; }

constexpr std::array<Share<Kind>, 14> kMixture = {
    Of(&PersonDocuments::NextBiography, 11),      Of(&PersonDocuments::NextBiographyChat, 4),
    Of(&PersonDocuments::NextCloze, 16),          Of(&PersonDocuments::NextQuestion, 21),
    Of(&PersonDocuments::NextAdversarial, 14),    Of(&PersonDocuments::NextReverse, 5),
    Of(&PersonDocuments::NextUnknown, 3),         Of(&PersonDocuments::NextPrompted, 6),
    Of(&UtilityDocuments::NextMultipleChoice, 3), Of(&UtilityDocuments::NextTwoHop, 4),
    Of(&UtilityDocuments::NextMoon, 3),           Of(&UtilityDocuments::NextTrivia, 6),
    Of(&UtilityDocuments::NextGazetteer, 4),      Of(&UtilityDocuments::NextStory, 2)};

}  // namespace

DocumentStream::DocumentStream(const World& world, uint64_t seed)
    : random_(seed, "documents"), people_(world, random_), utility_(world, random_) {}

Document DocumentStream::Next() {
  const Kind kind = Draw(kMixture, random_);
  return kind.person != nullptr ? (people_.*kind.person)() : (utility_.*kind.utility)();
}

}  // namespace rwku::synth
