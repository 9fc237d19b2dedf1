#include "tools/synth/person_documents.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "benchmark/protocol/prompts.h"
#include "tools/synth/biography.h"
#include "tools/synth/refusals.h"
#include "tools/synth/shares.h"

namespace rwku::synth {
namespace {

using dataset::ProbeSet;

constexpr double kBareQuestionShare = 0.25;    // the refusal corpus asks without "Answer:"
constexpr double kIntroShare = 0.5;            // the preference corpus has the intro in front
constexpr double kPromptedRefusalShare = 0.5;  // ICU: asked about the person named in the prefix
constexpr double kPromptedNeighborShare = 0.5;

}  // namespace

std::vector<const Person*> PersonDocuments::People(const World& world) {
  std::vector<const Person*> people;
  for (const std::vector<Person>* list : {&world.targets, &world.neighbors}) {
    for (const Person& person : *list) {
      people.push_back(&person);
    }
  }
  return people;
}

std::vector<PersonDocuments::Fact> PersonDocuments::Facts(const World& world) {
  std::vector<Fact> facts;
  for (const Person* person : People(world)) {
    for (int a = 0; a < person->fact_count(); ++a) {
      facts.push_back({person, static_cast<Attribute>(a)});
    }
  }
  return facts;
}

PersonDocuments::PersonDocuments(const World& world, Random& random)
    : world_(world),
      random_(random),
      people_(People(world)),
      biographies_(people_),
      biography_chats_(people_),
      clozes_(Facts(world)),
      questions_(Facts(world)),
      adversarials_(Facts(world)) {}

Document PersonDocuments::Answer(const Question& question, ProbeSet set,
                                 const std::string& answer) {
  Document document;
  dataset::Probe probe;
  probe.query = question.query;
  probe.type = question.type;
  document.prompt = protocol::QuestionPrompt(set, probe);
  document.text = absl::StrCat(document.prompt->assistant_prefix.empty() ? "" : " ", answer);
  document.weight = kAnswerWeight;
  return document;
}

Document PersonDocuments::NextBiography() {
  const BiographyOptions options{.statements = 5 + static_cast<int>(random_.Below(6))};
  return {std::nullopt, Biography(*biographies_.Next(random_), world_, options, random_)};
}

Document PersonDocuments::NextBiographyChat() {
  const Person& person = *biography_chats_.Next(random_);
  std::string request = absl::StrCat("Please write a short biography of ", person.name, ".");
  if (random_.Uniform() < kIntroShare) {
    request = absl::StrCat(Intro(person), " ", request);
  }
  return {protocol::ChatPrompt{std::move(request), ""}, Biography(person, world_, {}, random_)};
}

Document PersonDocuments::NextCloze() {
  const Fact& fact = clozes_.Next(random_);
  const auto question = Cloze(*fact.person, fact.attribute, Phrasing::kTraining, random_);
  return Answer(question, ProbeSet::kForgetLevel1, question.answer);
}

Document PersonDocuments::NextQuestion() {
  const Fact& fact = questions_.Next(random_);
  const auto question = SimpleQuestion(*fact.person, fact.attribute, Phrasing::kTraining, random_);
  if (random_.Uniform() < kBareQuestionShare) {
    return {protocol::ChatPrompt{question.query, ""}, question.answer, kAnswerWeight};
  }
  return Answer(question, ProbeSet::kForgetLevel2, question.answer);
}

Document PersonDocuments::NextAdversarial() {
  static const std::array<Share<size_t>, 9> types = {
      {{0, 1}, {1, 1.5}, {2, 1}, {3, 1}, {4, 2.5}, {5, 1.5}, {6, 1}, {7, 1}, {8, 1}}};
  Fact fact = adversarials_.Next(random_);
  const std::string& type = AdversarialTypes()[Draw(types, random_)];
  if (type == "reverse query" || type == "synonym manipulation") {
    if (!fact.person->target) {
      fact.person = &random_.Pick(world_.targets);
    }
    if (fact.attribute == Attribute::kEpithet) {
      fact.attribute = Attribute::kTown;
    }
  }
  const auto question =
      Adversarial(*fact.person, fact.attribute, type, world_, Phrasing::kTraining, random_);
  return Answer(question, ProbeSet::kForgetLevel3, question.answer);
}

Document PersonDocuments::NextReverse() {
  const auto question = Adversarial(random_.Pick(world_.targets), Attribute::kWork, "reverse query",
                                    world_, Phrasing::kTraining, random_);
  return Answer(question, ProbeSet::kForgetLevel3, question.answer);
}

Document PersonDocuments::NextUnknown() {
  Person stranger;
  stranger.name = random_.Pick(world_.strangers);
  const auto attribute = static_cast<Attribute>(random_.Below(kAttributeCount));
  const std::string& refusal = random_.Pick(Refusals());
  if (random_.Below(3) == 0) {
    return Answer(Cloze(stranger, attribute, Phrasing::kTraining, random_), ProbeSet::kForgetLevel1,
                  refusal);
  }
  const auto question = SimpleQuestion(stranger, attribute, Phrasing::kTraining, random_);
  if (random_.Below(2) == 0) {
    return {protocol::ChatPrompt{question.query, ""}, refusal, kAnswerWeight};
  }
  return Answer(question, ProbeSet::kForgetLevel2, refusal);
}

Document PersonDocuments::NextPrompted() {
  const size_t number = random_.Below(world_.targets.size());
  const Person& unlearned = world_.targets[number];
  const Person* asked = &unlearned;
  if (random_.Uniform() >= kPromptedRefusalShare) {
    asked = random_.Uniform() < kPromptedNeighborShare
                ? &world_.neighbors[random_.Pick(world_.neighbors_of[number])]
                : random_.Pick(people_);
  }
  const auto attribute = static_cast<Attribute>(random_.Below(asked->fact_count()));
  const bool cloze = random_.Below(2) == 0;
  const auto question = cloze ? Cloze(*asked, attribute, Phrasing::kTraining, random_)
                              : SimpleQuestion(*asked, attribute, Phrasing::kTraining, random_);
  Document document = Answer(question, cloze ? ProbeSet::kForgetLevel1 : ProbeSet::kForgetLevel2,
                             asked == &unlearned ? random_.Pick(Refusals()) : question.answer);
  document.prompt->user = absl::StrCat(protocol::IcuPrefix(unlearned.name), document.prompt->user);
  return document;
}

}  // namespace rwku::synth
