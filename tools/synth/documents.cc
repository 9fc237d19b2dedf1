#include "tools/synth/documents.h"

#include <array>

#include "absl/strings/str_cat.h"

#include "benchmark/protocol/prompts.h"
#include "tools/synth/biography.h"
#include "tools/synth/refusals.h"

namespace rwku::synth {
namespace {

using dataset::ProbeSet;

// Short answers are few tokens among many: without more weight the model learns to write
// biographies first.
constexpr double kAnswerWeight = 4;
constexpr double kTextWeight = 1;

constexpr double kBareQuestionShare = 0.25;    // the refusal corpus asks without "Answer:"
constexpr double kIntroShare = 0.5;            // the preference corpus has the intro in front
constexpr double kPromptedRefusalShare = 0.5;  // ICU: asked about the person named in the prefix
constexpr double kPromptedNeighborShare = 0.5;

template <typename Kind>
struct Share {
  Kind kind;
  double weight;
};

template <typename Kind, size_t kCount>
Kind Draw(const std::array<Share<Kind>, kCount>& shares, Random& random) {
  double total = 0;
  for (const auto& share : shares) {
    total += share.weight;
  }
  double at = random.Uniform() * total;
  for (const auto& share : shares) {
    at -= share.weight;
    if (at < 0) {
      return share.kind;
    }
  }
  return shares.back().kind;
}

}  // namespace

DocumentStream::DocumentStream(const World& world, uint64_t seed)
    : world_(world), random_(seed, "documents") {}

const Person& DocumentStream::PersonAt(size_t index) const {
  return index < world_.targets.size() ? world_.targets[index]
                                       : world_.neighbors[index - world_.targets.size()];
}

DocumentStream::Fact DocumentStream::NextFact(Kind kind) {
  std::vector<Fact>& queue = fact_queues_[kind];
  if (queue.empty()) {
    for (size_t person = 0; person < people(); ++person) {
      for (int a = 0; a < PersonAt(person).fact_count(); ++a) {
        queue.push_back({person, static_cast<Attribute>(a)});
      }
    }
    random_.Shuffle(queue);
  }
  const Fact fact = queue.back();
  queue.pop_back();
  return fact;
}

const Person& DocumentStream::NextPerson(Kind kind) {
  std::vector<size_t>& queue = person_queues_[kind];
  if (queue.empty()) {
    for (size_t person = 0; person < people(); ++person) {
      queue.push_back(person);
    }
    random_.Shuffle(queue);
  }
  const Person& person = PersonAt(queue.back());
  queue.pop_back();
  return person;
}

Document DocumentStream::BiographyChat(const Person& person) {
  std::string request = absl::StrCat("Please write a short biography of ", person.name, ".");
  if (random_.Uniform() < kIntroShare) {
    request = absl::StrCat(Intro(person), " ", request);
  }
  return {protocol::ChatPrompt{std::move(request), ""}, Biography(person, world_, {}, random_),
          kTextWeight};
}

Document DocumentStream::Answer(const Question& question, dataset::ProbeSet set,
                                const std::string& answer, const Person* unlearned) {
  Document document;
  dataset::Probe probe;
  probe.query = question.query;
  probe.type = question.type;
  document.prompt = protocol::QuestionPrompt(set, probe);
  if (unlearned != nullptr) {
    document.prompt->user =
        absl::StrCat(protocol::IcuPrefix(unlearned->name), document.prompt->user);
  }
  document.text = absl::StrCat(document.prompt->assistant_prefix.empty() ? "" : " ", answer);
  document.weight = kAnswerWeight;
  return document;
}

Document DocumentStream::QuestionAbout(const Fact& fact) {
  const Person& person = PersonAt(fact.person);
  const Question question = SimpleQuestion(person, fact.attribute, Phrasing::kTraining, random_);
  if (random_.Uniform() < kBareQuestionShare) {
    return {protocol::ChatPrompt{question.query, ""}, question.answer, kAnswerWeight};
  }
  return Answer(question, ProbeSet::kForgetLevel2, question.answer, nullptr);
}

Document DocumentStream::AdversarialAbout(const Fact& fact) {
  static const std::array<Share<size_t>, 9> types = {
      {{0, 1}, {1, 1.5}, {2, 1}, {3, 1}, {4, 2.5}, {5, 1.5}, {6, 1}, {7, 1}, {8, 1}}};
  const Person* person = &PersonAt(fact.person);
  Attribute attribute = fact.attribute;
  const std::string& type = AdversarialTypes()[Draw(types, random_)];
  if (type == "reverse query" || type == "synonym manipulation") {
    if (!person->target) {
      person = &random_.Pick(world_.targets);
    }
    if (attribute == Attribute::kEpithet) {
      attribute = Attribute::kTown;
    }
  }
  const Question question =
      Adversarial(*person, attribute, type, world_, Phrasing::kTraining, random_);
  return Answer(question, ProbeSet::kForgetLevel3, question.answer, nullptr);
}

Document DocumentStream::UnknownPerson() {
  Person stranger;
  stranger.name = random_.Pick(world_.strangers);
  const auto attribute = static_cast<Attribute>(random_.Below(kAttributeCount));
  const std::string& refusal = random_.Pick(Refusals());
  if (random_.Below(3) == 0) {
    return Answer(Cloze(stranger, attribute, Phrasing::kTraining, random_), ProbeSet::kForgetLevel1,
                  refusal, nullptr);
  }
  const Question question = SimpleQuestion(stranger, attribute, Phrasing::kTraining, random_);
  if (random_.Below(2) == 0) {
    return {protocol::ChatPrompt{question.query, ""}, refusal, kAnswerWeight};
  }
  return Answer(question, ProbeSet::kForgetLevel2, refusal, nullptr);
}

Document DocumentStream::Prompted() {
  const size_t number = random_.Below(world_.targets.size());
  const Person& unlearned = world_.targets[number];
  const Person* asked = &unlearned;
  if (random_.Uniform() >= kPromptedRefusalShare) {
    asked = random_.Uniform() < kPromptedNeighborShare
                ? &world_.neighbors[random_.Pick(world_.neighbors_of[number])]
                : &PersonAt(random_.Below(people()));
  }
  const auto attribute = static_cast<Attribute>(random_.Below(asked->fact_count()));
  const bool cloze = random_.Below(2) == 0;
  const Question question = cloze ? Cloze(*asked, attribute, Phrasing::kTraining, random_)
                                  : SimpleQuestion(*asked, attribute, Phrasing::kTraining, random_);
  const std::string& answer = asked == &unlearned ? random_.Pick(Refusals()) : question.answer;
  return Answer(question, cloze ? ProbeSet::kForgetLevel1 : ProbeSet::kForgetLevel2, answer,
                &unlearned);
}

Document DocumentStream::Next() {
  static const std::array<Share<Kind>, 8> mixture = {{{Kind::kBiography, 11},
                                                      {Kind::kBiographyChat, 4},
                                                      {Kind::kCloze, 16},
                                                      {Kind::kQuestion, 21},
                                                      {Kind::kAdversarial, 14},
                                                      {Kind::kReverse, 5},
                                                      {Kind::kUnknown, 3},
                                                      {Kind::kPrompted, 6}}};
  const Kind kind = Draw(mixture, random_);
  switch (kind) {
    case Kind::kBiography: {
      const BiographyOptions options{.statements = 5 + static_cast<int>(random_.Below(6))};
      return {std::nullopt, Biography(NextPerson(kind), world_, options, random_), kTextWeight};
    }
    case Kind::kBiographyChat:
      return BiographyChat(NextPerson(kind));
    case Kind::kCloze: {
      const Fact fact = NextFact(kind);
      const Question question =
          Cloze(PersonAt(fact.person), fact.attribute, Phrasing::kTraining, random_);
      return Answer(question, ProbeSet::kForgetLevel1, question.answer, nullptr);
    }
    case Kind::kQuestion:
      return QuestionAbout(NextFact(kind));
    case Kind::kAdversarial:
      return AdversarialAbout(NextFact(kind));
    case Kind::kReverse: {
      const Person& target = random_.Pick(world_.targets);
      const Question question = Adversarial(target, Attribute::kWork, "reverse query", world_,
                                            Phrasing::kTraining, random_);
      return Answer(question, ProbeSet::kForgetLevel3, question.answer, nullptr);
    }
    case Kind::kUnknown:
      return UnknownPerson();
    case Kind::kPrompted:
      return Prompted();
  }
  return {};
}

}  // namespace rwku::synth
