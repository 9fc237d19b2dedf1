#include "tools/synth/hops.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/random.h"
#include "tools/synth/countries.h"

namespace rwku::synth {
namespace {

constexpr int kExamples = 3;
constexpr double kHeldOutShare = 0.4;

HopQuestion Solved(std::string question, absl::string_view steps, const std::string& answer) {
  return {std::move(question), absl::StrCat(steps, " So the answer is ", answer, "."), answer};
}

HopQuestion TwoHop(const Country& country, const CountryFact& known, const CountryFact& asked) {
  return Solved(absl::StrCat("What is the ", asked.key, " of the country whose ", known.key, " is ",
                             country.*(known.value), "?"),
                absl::StrCat(ValueFirst(country, known), " ", ValueLast(country, asked)),
                country.*(asked.value));
}

}  // namespace

HopQuestions MakeHopQuestions(const World& world) {
  HopQuestions questions;
  std::vector<std::vector<HopQuestion>> by_known_fact;
  for (const Country& country : world.countries) {
    for (const CountryFact& known : CountryFacts()) {
      questions.one_hop.push_back(Solved(
          absl::StrCat("Which country has the ", known.key, " ", country.*(known.value), "?"),
          ValueFirst(country, known), country.name));
      questions.one_hop.push_back(
          Solved(absl::StrCat("What is the ", known.key, " of ", country.name, "?"),
                 ValueLast(country, known), country.*(known.value)));
      std::vector<HopQuestion>& pair = by_known_fact.emplace_back();
      for (const CountryFact& asked : CountryFacts()) {
        if (known.key != asked.key) {
          pair.push_back(TwoHop(country, known, asked));
        }
      }
    }
  }
  Random random(0, "two-hop questions");
  random.Shuffle(by_known_fact);
  // Both questions from a known fact or neither: one alone could be answered without reading what
  // it asks for.
  const auto held_out =
      static_cast<size_t>(kHeldOutShare * static_cast<double>(by_known_fact.size()));
  for (size_t i = 0; i < by_known_fact.size(); ++i) {
    std::vector<HopQuestion>& list = i < held_out ? questions.held_out : questions.trained;
    list.insert(list.end(), by_known_fact[i].begin(), by_known_fact[i].end());
  }
  random.Shuffle(questions.trained);
  const auto examples = questions.trained.end() - kExamples;
  questions.examples.assign(examples, questions.trained.end());
  questions.trained.erase(examples, questions.trained.end());
  return questions;
}

dataset::BbhItem HopItem(const HopQuestion& question, absl::Span<const HopQuestion> examples) {
  dataset::BbhItem item;
  item.task = "two_hop";
  item.chain_of_thought = "Answer questions about countries.";
  for (const HopQuestion& example : examples) {
    absl::StrAppend(&item.chain_of_thought, "\n\nQ: ", example.question,
                    "\nA: ", example.reasoning);
  }
  item.question = question.question;
  item.answers = {question.answer};
  return item;
}

}  // namespace rwku::synth
