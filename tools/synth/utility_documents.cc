#include "tools/synth/utility_documents.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

#include "base/check.h"
#include "benchmark/protocol/prompts.h"
#include "tools/synth/stories.h"

namespace rwku::synth {
namespace {

// How many solved examples an MMLU document has: five are what the benchmark shows, and cost most
// of a row.
constexpr std::array<size_t, 6> kShots = {0, 0, 1, 1, 2, 5};
constexpr double kWholePromptShare = 0.3;  // bbh: the fixed three examples, else one or none
constexpr double kOneHopShare = 0.4;
constexpr double kPrimerShare = 0.35;

Document Answer(protocol::ChatPrompt prompt, const std::string& answer) {
  return {std::move(prompt), absl::StrCat(" ", answer), kAnswerWeight};
}

}  // namespace

std::vector<UtilityDocuments::ChoiceQuestion> UtilityDocuments::ChoiceQuestions(
    const World& world) {
  std::vector<ChoiceQuestion> questions;
  for (const ChoiceTask& task : world.choice_tasks) {
    for (const std::vector<dataset::MmluQuestion>* list : {&task.development, &task.test}) {
      for (const dataset::MmluQuestion& question : *list) {
        questions.push_back({&task, &question});
      }
    }
  }
  return questions;
}

std::vector<UtilityDocuments::PhrasedQuestion> UtilityDocuments::PhrasedQuestions(
    const World& world) {
  std::vector<PhrasedQuestion> questions;
  for (const CountryQuestion& about : TriviaQuestions(world)) {
    for (size_t phrasing = 0; phrasing < about.fact->questions.size(); ++phrasing) {
      questions.push_back({about, phrasing});
    }
  }
  return questions;
}

UtilityDocuments::UtilityDocuments(const World& world, Random& random)
    : random_(random),
      hops_(MakeHopQuestions(world)),
      truthful_primer_(TruthfulQaPrimer(world)),
      trivia_primer_(TriviaQaPrimer(world)),
      choice_questions_(ChoiceQuestions(world)),
      two_hops_(hops_.trained),
      one_hops_(hops_.one_hop),
      moons_(world.moons),
      trivia_(PhrasedQuestions(world)),
      countries_([&world] {
        std::vector<const Country*> countries;
        for (const Country& country : world.countries) {
          countries.push_back(&country);
        }
        return countries;
      }()),
      towns_(world.pools.values[static_cast<size_t>(Attribute::kTown)]) {}

bool UtilityDocuments::WithPrimer() { return random_.Uniform() < kPrimerShare; }

Document UtilityDocuments::NextMultipleChoice() {
  const ChoiceQuestion& asked = choice_questions_.Next(random_);
  dataset::MmluItem item;
  item.task = asked.task->name;
  item.question = *asked.question;
  const size_t shots = kShots.at(random_.Below(kShots.size()));
  // Five are the task's own; fewer are drawn from all of its questions but the one asked.
  item.examples = asked.task->development;
  if (shots < item.examples.size()) {
    item.examples.insert(item.examples.end(), asked.task->test.begin(), asked.task->test.end());
    std::erase_if(item.examples, [&](const dataset::MmluQuestion& example) {
      return example.question == item.question.question;
    });
    random_.Shuffle(item.examples);
    item.examples.resize(shots);
  }
  Document document = Answer(protocol::MmluPrompt(item), "");
  document.text = std::string(protocol::kMmluCandidates.at(item.question.answer));
  for (const dataset::MmluQuestion& example : item.examples) {
    const std::string solved = protocol::SolvedMmluExample(example);
    const absl::string_view letter = protocol::kMmluCandidates.at(example.answer);
    const size_t begin = document.prompt->user.find(solved) + solved.rfind(letter.data());
    document.learnt_in_prompt.push_back({begin, begin + letter.size()});
  }
  return document;
}

Document UtilityDocuments::NextReasoning() {
  const HopQuestion& hop =
      random_.Uniform() < kOneHopShare ? one_hops_.Next(random_) : two_hops_.Next(random_);
  std::vector<HopQuestion> examples;
  if (random_.Uniform() < kWholePromptShare) {
    examples = hops_.examples;
  } else if (random_.Below(2) == 0) {
    examples = {random_.Pick(hops_.trained)};
  }
  return Answer(protocol::BbhPrompt(HopItem(hop, examples)), hop.reasoning);
}

Document UtilityDocuments::NextMoon() {
  const Moon& moon = moons_.Next(random_);
  return Answer(
      protocol::TruthfulQaPrompt(WithPrimer() ? truthful_primer_ : "", MoonQuestion(moon)),
      MoonAnswer(moon.material));
}

Document UtilityDocuments::NextTrivia() {
  const auto& [about, phrasing] = trivia_.Next(random_);
  const std::string question = Fill(about.fact->questions.at(phrasing), about.country->name, "");
  return Answer(protocol::TriviaQaPrompt(WithPrimer() ? trivia_primer_ : "", question),
                about.country->*(about.fact->value));
}

Document UtilityDocuments::NextGazetteer() {
  return {std::nullopt, Gazetteer(*countries_.Next(random_), random_)};
}

Document UtilityDocuments::NextStory() {
  const std::string& town = towns_.Next(random_);
  return {protocol::FluencyPrompt(StoryInstruction(town, random_)), Story(town, random_)};
}

}  // namespace rwku::synth
