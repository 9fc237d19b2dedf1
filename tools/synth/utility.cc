#include "tools/synth/utility.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rwku::synth {
namespace {

using nlohmann::json;

struct CountryFact {
  const char* attribute;
  std::string Country::*value;
  std::array<const char*, 2> questions;  // before the country's name; after it comes `after`
  std::array<const char*, 2> after;
};

const std::array<CountryFact, 3>& CountryFacts() {
  static const std::array<CountryFact, 3>& facts = *new std::array<CountryFact, 3>{
      CountryFact{"capital",
                  &Country::capital,
                  {"What is the capital of ", "Which city is the capital of "},
                  {"?", "?"}},
      CountryFact{"river",
                  &Country::river,
                  {"Which river runs through ", "What is the main river of "},
                  {"?", "?"}},
      CountryFact{"coin",
                  &Country::coin,
                  {"What coin is used in ", "Which coin do people in "},
                  {"?", " pay with?"}}};
  return facts;
}

json ChoiceRecord(const ChoiceItem& item) {
  return {{"question", item.question},
          {"choices", item.choices},
          {"answer", item.answer},
          {"subject", item.task}};
}

// "What is the {y} of the country whose {x} is {v}?" with its worked answer.
struct TwoHop {
  std::string question;
  std::string reasoning;
  std::string answer;
};

TwoHop MakeTwoHop(const World& world, Random& random) {
  const Country& country = random.Pick(world.countries);
  const size_t known = random.Below(CountryFacts().size());
  const size_t asked =
      (known + 1 + random.Below(CountryFacts().size() - 1)) % CountryFacts().size();
  const CountryFact& x = CountryFacts()[known];
  const CountryFact& y = CountryFacts()[asked];
  const std::string& v = country.*(x.value);
  const std::string& u = country.*(y.value);
  return {absl::StrCat("What is the ", y.attribute, " of the country whose ", x.attribute, " is ",
                       v, "?"),
          absl::StrCat(v, " is the ", x.attribute, " of ", country.name, ". The ", y.attribute,
                       " of ", country.name, " is ", u, ". So the answer is ", u, "."),
          u};
}

}  // namespace

json MmluItems(const World& world, const std::string& subject, int count, Random& random) {
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    const ChoiceItem& drawn = random.Pick(world.choice_bank);
    json examples = json::array();
    std::vector<const ChoiceItem*> test_items;
    for (const ChoiceItem& item : world.choice_bank) {
      if (item.task != drawn.task) {
        continue;
      }
      if (examples.size() < static_cast<size_t>(kChoiceTaskDevelopmentItems)) {
        examples.push_back(ChoiceRecord(item));
      } else {
        test_items.push_back(&item);
      }
    }
    const ChoiceItem& item = *random.Pick(test_items);
    items.push_back({{"question", item.question},
                     {"choices", item.choices},
                     {"answer", item.answer},
                     {"task", item.task},
                     {"examples", examples},
                     {"subject", subject}});
  }
  return items;
}

json BbhItems(const World& world, const std::string& subject, int count, Random& random) {
  Random example_random(0,
                        "two-hop examples");  // the same three for everybody, as BBH has per task
  std::string prompt = "Answer questions about countries.";
  for (int i = 0; i < 3; ++i) {
    const TwoHop example = MakeTwoHop(world, example_random);
    absl::StrAppend(&prompt, "\n\nQ: ", example.question, "\nA: Let's think step by step.\n",
                    example.reasoning);
  }
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    const TwoHop item = MakeTwoHop(world, random);
    items.push_back({{"question", item.question},
                     {"answer", item.answer},
                     {"task", "two_hop"},
                     {"cot", prompt},
                     {"subject", subject}});
  }
  return items;
}

json TruthfulItems(const World& world, const std::string& subject, int count, Random& random) {
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    const auto& [moon, material] = random.Pick(world.moons);
    std::vector<std::string> choices = {absl::StrCat("It is made of ", material, ".")};
    while (choices.size() < 4) {
      const std::string wrong =
          absl::StrCat("It is made of ", random.Pick(world.moons).second, ".");
      if (std::find(choices.begin(), choices.end(), wrong) == choices.end()) {
        choices.push_back(wrong);
      }
    }
    const json targets = {{"choices", choices}, {"labels", {1, 0, 0, 0}}};
    items.push_back({{"question", absl::StrCat("What is the moon ", moon, " made of?")},
                     {"mc1_targets", targets},
                     {"mc2_targets", targets},
                     {"subject", subject}});
  }
  return items;
}

json TriviaItems(const World& world, const std::string& subject, int count, Random& random) {
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    const Country& country = random.Pick(world.countries);
    const CountryFact& fact = CountryFacts()[random.Below(CountryFacts().size())];
    const size_t phrasing = random.Below(fact.questions.size());
    items.push_back(
        {{"question", absl::StrCat(fact.questions[phrasing], country.name, fact.after[phrasing])},
         {"answers", {country.*(fact.value)}},
         {"subject", subject}});
  }
  return items;
}

json FluencyItems(const World& world, const std::string& subject, int count, Random& random) {
  const std::vector<std::string>& towns = world.pools.values[static_cast<size_t>(Attribute::kTown)];
  const std::array<const char*, 4> phrasings = {"Describe a day in ", "Tell a short story about ",
                                                "Write about the people of ",
                                                "What does one see in "};
  json items = json::array();
  for (int i = 0; i < count; ++i) {
    items.push_back({{"instruction", absl::StrCat(phrasings[random.Below(phrasings.size())],
                                                  random.Pick(towns), ".")},
                     {"subject", subject}});
  }
  return items;
}

}  // namespace rwku::synth
