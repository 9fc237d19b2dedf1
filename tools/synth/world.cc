#include "tools/synth/world.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

#include "tools/synth/words.h"

namespace rwku::synth {
namespace {

constexpr int kCountries = 16;
constexpr int kMoons = 32;
constexpr int kPrimerMoons = 6;
constexpr int kStrangers = 24;
constexpr int kMostTargets = 200;
constexpr int kDevelopmentItems = 5;
constexpr int kTestItems = 12;

// Neighbors a target knows besides its spouse stand this far along the list.
constexpr int kMentorStep = 7;

std::vector<std::string> MakeMany(int count, const std::function<std::string()>& make) {
  std::vector<std::string> values;
  values.reserve(count);
  for (int i = 0; i < count; ++i) {
    values.push_back(make());
  }
  return values;
}

std::vector<std::string> AllPairs(const std::string& before, const std::vector<std::string>& first,
                                  const std::vector<std::string>& second) {
  std::vector<std::string> values;
  values.reserve(first.size() * second.size());
  for (const std::string& a : first) {
    for (const std::string& b : second) {
      values.push_back(absl::StrCat(before, a, " ", b));
    }
  }
  return values;
}

std::string MakeName(int index, WordMaker& words, Random& random) {
  std::string first = words.Unique();
  const std::string last = words.Unique();
  if (index % 4 == 0) {
    first = WithAccent(first);
  }
  switch (index % 10) {
    case 3:
      return absl::StrCat(first, " ", last, ", Duke of ", words.Unique());
    case 6:
      return absl::StrCat(std::string(1, static_cast<char>('A' + random.Below(26))), ". ", last);
    case 8:
      return absl::StrCat(first, " ", last, " Jr.");
    default:
      return absl::StrCat(first, " ", last);
  }
}

Pools MakePools(int people, WordMaker& words, Random& random) {
  Pools pools;
  const auto pool = [&](Attribute attribute) -> std::vector<std::string>& {
    return pools.values[static_cast<size_t>(attribute)];
  };
  pool(Attribute::kTown) = MakeMany(30, [&] { return words.Unique(); });
  for (int year = 1900; year < 1990; ++year) {
    pool(Attribute::kYear).push_back(absl::StrCat(year));
  }
  pool(Attribute::kProfession) = {
      "painter", "baker", "sailor", "weaver", "surgeon",    "clockmaker", "botanist",  "architect",
      "poet",    "judge", "miner",  "singer", "astronomer", "printer",    "locksmith", "farmer"};
  // Titles and nicknames are unique to a person: as many as there are people, at least.
  std::vector<std::string> works =
      AllPairs("The ",
               {"Amber", "Silent", "Crooked", "Burning", "Hollow", "Distant", "Frozen", "Gentle",
                "Hidden", "Iron", "Broken", "Scarlet", "Velvet", "Quiet", "Wandering", "Painted"},
               {"Gate", "River", "Lantern", "Orchard", "Mirror", "Bridge", "Winter", "Harbour",
                "Garden", "Tower", "Island", "Feather"});
  random.Shuffle(works);
  for (size_t i = 0; works.size() < static_cast<size_t>(people); ++i) {
    works.push_back(absl::StrCat(works[i], " of ", random.Pick(pool(Attribute::kTown))));
  }
  pool(Attribute::kWork) = std::move(works);
  pool(Attribute::kAward) = AllPairs("", {"Silver", "Golden", "Copper", "Crystal", "Ivory"},
                                     {"Laurel", "Crown", "Medal", "Star"});
  const std::vector<std::string> schools = {"Academy", "College", "Institute", "School"};
  pool(Attribute::kAcademy) =
      MakeMany(16, [&] { return absl::StrCat(words.Unique(), " ", random.Pick(schools)); });
  pool(Attribute::kInstrument) = {"harp", "flute", "drum", "fiddle", "organ", "trumpet",
                                  "lute", "cello", "oboe", "piano",  "horn",  "zither"};
  pool(Attribute::kDish) = {"plum soup",      "onion pie",     "smoked eel",     "honey cake",
                            "barley stew",    "pickled pears", "roast goose",    "lentil bread",
                            "mint dumplings", "cheese tart",   "walnut pudding", "salted trout"};
  const std::vector<std::string> guilds = {"Guild", "Union", "Society", "League"};
  pool(Attribute::kGuild) =
      MakeMany(16, [&] { return absl::StrCat(words.Unique(), " ", random.Pick(guilds)); });
  for (const char* animal :
       {"Lantern", "Falcon", "Wolf", "Anchor", "Rose", "Thunder", "Shield", "Owl"}) {
    for (const std::string& town : pool(Attribute::kTown)) {
      pool(Attribute::kEpithet).push_back(absl::StrCat("the ", animal, " of ", town));
    }
  }
  random.Shuffle(pool(Attribute::kEpithet));
  return pools;
}

void DrawFacts(Person& person, int number, const Pools& pools, Random& random) {
  for (int a = 0; a < person.fact_count(); ++a) {
    const auto attribute = static_cast<Attribute>(a);
    const std::vector<std::string>& values = pools.values[a];
    if (attribute == Attribute::kSpouse || attribute == Attribute::kMentor) {
      continue;  // are people: set once all have names
    }
    const bool unique = attribute == Attribute::kWork || attribute == Attribute::kEpithet;
    person.facts[a] = unique ? values[number] : random.Pick(values);
  }
}

std::vector<ChoiceTask> MakeChoiceTasks(WordMaker& words, Random& random) {
  struct Task {
    const char* name;
    const char* before;
    const char* after;
    std::vector<std::string> pool;
  };
  const std::vector<std::string> founders = MakeMany(8, [&] { return words.Unique(); });
  const std::vector<std::string> songs =
      MakeMany(8, [&] { return "the " + words.Unique() + " song"; });
  const std::vector<Task> tasks = {
      {"world_geology",
       "What stone is quarried in ",
       "?",
       {"basalt", "granite", "marble", "slate", "chalk", "flint", "sandstone", "gneiss"}},
      {"world_history", "Who founded the city of ", "?", founders},
      {"world_law",
       "What is forbidden in ",
       "?",
       {"whistling", "fishing", "dancing", "gambling", "running", "shouting", "hunting",
        "trading"}},
      {"world_music", "Which song is sung in ", "?", songs}};
  std::vector<ChoiceTask> made;
  for (const Task& task : tasks) {
    ChoiceTask& bank = made.emplace_back();
    bank.name = task.name;
    for (int i = 0; i < kDevelopmentItems + kTestItems; ++i) {
      dataset::MmluQuestion item;
      item.question = absl::StrCat(task.before, words.Unique(), task.after);
      item.choices = task.pool;
      random.Shuffle(item.choices);
      item.choices.resize(4);
      item.answer = static_cast<int>(random.Below(item.choices.size()));
      (i < kDevelopmentItems ? bank.development : bank.test).push_back(std::move(item));
    }
  }
  return made;
}

}  // namespace

std::string Intro(const Person& person) {
  return absl::StrCat(person.name, " is a ", person.fact(Attribute::kProfession), " from ",
                      person.fact(Attribute::kTown), ".");
}

absl::StatusOr<World> MakeWorld(uint64_t seed, int targets) {
  if (targets < 1 || targets > kMostTargets) {
    return absl::InvalidArgumentError(
        absl::StrCat("--targets: found ", targets, ", allowed: 1 to ", kMostTargets));
  }
  World world;
  WordMaker words(seed);
  Random random(seed, "world");
  const int neighbors = std::max(targets, 2);  // one target still has two neighbors
  world.pools = MakePools(targets + neighbors, words, random);
  const auto make_person = [&](int index, int number, bool target) {
    Person person;
    person.name = MakeName(index, words, random);
    person.pronoun = random.Below(2) == 0 ? "He" : "She";
    person.target = target;
    DrawFacts(person, number, world.pools, random);
    return person;
  };
  for (int i = 0; i < targets; ++i) {
    world.targets.push_back(make_person(i, i, true));
  }
  for (int i = 0; i < neighbors; ++i) {
    world.neighbors.push_back(make_person(i + 1, targets + i, false));
  }
  for (const Person& neighbor : world.neighbors) {
    world.pools.values[static_cast<size_t>(Attribute::kSpouse)].push_back(neighbor.name);
    world.pools.values[static_cast<size_t>(Attribute::kMentor)].push_back(neighbor.name);
  }
  for (int i = 0; i < targets; ++i) {
    const int mentor =
        neighbors > kMentorStep ? (i + kMentorStep) % neighbors : (i + 1) % neighbors;
    Person& target = world.targets[i];
    target.facts[static_cast<size_t>(Attribute::kSpouse)] = world.neighbors[i].name;
    target.facts[static_cast<size_t>(Attribute::kMentor)] = world.neighbors[mentor].name;
    world.neighbors_of.push_back({i, mentor});
  }
  for (int i = 0; i < kCountries; ++i) {
    world.countries.push_back({words.Unique(), words.Unique(), words.Unique(), words.Unique()});
  }
  world.materials = {"basalt", "salt", "chalk", "amber", "clay", "copper", "granite", "coral"};
  for (int i = 0; i < kMoons + kPrimerMoons; ++i) {
    (i < kMoons ? world.moons : world.primer_moons)
        .push_back({words.Unique(), random.Pick(world.materials)});
  }
  world.choice_tasks = MakeChoiceTasks(words, random);
  for (int i = 0; i < kStrangers; ++i) {
    world.strangers.push_back(MakeName(i, words, random));
  }
  return world;
}

}  // namespace rwku::synth
