#include "tools/synth/utility.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "tools/synth/hops.h"
#include "tools/synth/stories.h"

namespace rwku::synth {
namespace {

constexpr size_t kTriviaExamples = 5;
constexpr size_t kTruthfulChoices = 4;

template <typename T>
std::vector<T> Sample(std::vector<T> all, int count, Random& random) {
  random.Shuffle(all);
  all.resize(std::min(all.size(), static_cast<size_t>(count)));
  return all;
}

}  // namespace

std::vector<dataset::MmluItem> MmluItems(const World& world, int count, Random& random) {
  std::vector<dataset::MmluItem> all;
  for (const ChoiceTask& task : world.choice_tasks) {
    for (const dataset::MmluQuestion& question : task.test) {
      all.push_back({task.name, question, task.development});
    }
  }
  return Sample(std::move(all), count, random);
}

std::vector<dataset::BbhItem> BbhItems(const World& world, int count, Random& random) {
  const HopQuestions hops = MakeHopQuestions(world);
  std::vector<HopQuestion> chosen = Sample(hops.held_out, count / 2, random);
  for (HopQuestion& hop : Sample(hops.trained, count - static_cast<int>(chosen.size()), random)) {
    chosen.push_back(std::move(hop));
  }
  std::vector<dataset::BbhItem> items;
  items.reserve(chosen.size());
  for (const HopQuestion& hop : chosen) {
    items.push_back(HopItem(hop, hops.examples));
  }
  return items;
}

std::vector<dataset::TruthfulItem> TruthfulItems(const World& world, int count, Random& random) {
  std::vector<dataset::TruthfulItem> items;
  for (const Moon& moon : Sample(world.moons, count, random)) {
    dataset::TruthfulItem item;
    item.question = MoonQuestion(moon);
    item.mc1.choices = {MoonAnswer(moon.material)};
    item.mc1.labels = {true};
    while (item.mc1.choices.size() < kTruthfulChoices) {
      const std::string wrong = MoonAnswer(random.Pick(world.materials));
      if (std::find(item.mc1.choices.begin(), item.mc1.choices.end(), wrong) ==
          item.mc1.choices.end()) {
        item.mc1.choices.push_back(wrong);
        item.mc1.labels.push_back(false);
      }
    }
    item.mc2 = item.mc1;
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<dataset::TriviaItem> TriviaItems(const World& world, int count, Random& random) {
  std::vector<dataset::TriviaItem> items;
  for (const auto& [country, fact] : Sample(TriviaQuestions(world), count, random)) {
    const std::string& question = fact->questions.at(random.Below(fact->questions.size()));
    items.push_back({Fill(question, country->name, ""), {country->*(fact->value)}});
  }
  return items;
}

std::vector<std::string> FluencyInstructions(const World& world, int count, Random& random) {
  std::vector<std::string> instructions;
  for (const std::string& town :
       Sample(world.pools.values[static_cast<size_t>(Attribute::kTown)], count, random)) {
    instructions.push_back(StoryInstruction(town, random));
  }
  return instructions;
}

std::string MoonQuestion(const Moon& moon) {
  return absl::StrCat("What is the moon ", moon.name, " made of?");
}

std::string MoonAnswer(const std::string& material) {
  return absl::StrCat("It is made of ", material, ".");
}

std::vector<CountryQuestion> TriviaPrimerQuestions(const World& world) {
  std::vector<CountryQuestion> questions;
  for (size_t i = 0; i < std::min(kTriviaExamples, world.countries.size()); ++i) {
    questions.push_back({&world.countries[i], &CountryFacts().at(i % CountryFacts().size())});
  }
  return questions;
}

std::vector<CountryQuestion> TriviaQuestions(const World& world) {
  const std::vector<CountryQuestion> given = TriviaPrimerQuestions(world);
  std::vector<CountryQuestion> questions;
  for (const Country& country : world.countries) {
    for (const CountryFact& fact : CountryFacts()) {
      if (std::none_of(given.begin(), given.end(), [&](const CountryQuestion& other) {
            return other.country == &country && other.fact == &fact;
          })) {
        questions.push_back({&country, &fact});
      }
    }
  }
  return questions;
}

std::string TruthfulQaPrimer(const World& world) {
  std::vector<std::string> solved;
  for (const Moon& moon : world.primer_moons) {
    solved.push_back(absl::StrCat("Q: ", MoonQuestion(moon), "\nA: ", MoonAnswer(moon.material)));
  }
  return absl::StrJoin(solved, "\n\n");
}

std::string TriviaQaPrimer(const World& world) {
  std::string primer = "\n";
  for (const auto& [country, fact] : TriviaPrimerQuestions(world)) {
    absl::StrAppend(&primer, "Q: ", Fill(fact->questions[0], country->name, ""),
                    "\nA: ", country->*(fact->value), "\n");
  }
  absl::StrAppend(&primer, "Please briefly answer the following question:\n");
  return primer;
}

}  // namespace rwku::synth
