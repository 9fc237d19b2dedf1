#include "tools/synth/two_hop.h"

#include "absl/strings/str_cat.h"

#include "base/random.h"
#include "tools/synth/countries.h"

namespace rwku::synth {
namespace {

constexpr int kExamples = 3;
constexpr double kHeldOutShare = 0.4;

TwoHop MakeTwoHop(const Country& country, const CountryFact& known, const CountryFact& asked) {
  const std::string& answer = country.*(asked.value);
  return {absl::StrCat("What is the ", asked.key, " of the country whose ", known.key, " is ",
                       country.*(known.value), "?"),
          absl::StrCat(ValueFirst(country, known), " ", ValueLast(country, asked),
                       " So the answer is ", answer, "."),
          answer};
}

}  // namespace

TwoHops MakeTwoHops(const World& world) {
  std::vector<TwoHop> all;
  for (const Country& country : world.countries) {
    for (const CountryFact& known : CountryFacts()) {
      for (const CountryFact& asked : CountryFacts()) {
        if (known.key != asked.key) {
          all.push_back(MakeTwoHop(country, known, asked));
        }
      }
    }
  }
  Random random(0, "two-hop questions");
  random.Shuffle(all);
  const auto held_out = static_cast<size_t>(kHeldOutShare * static_cast<double>(all.size()));
  TwoHops hops;
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<TwoHop>& list =
        i < kExamples ? hops.examples : (i < kExamples + held_out ? hops.held_out : hops.trained);
    list.push_back(std::move(all[i]));
  }
  return hops;
}

dataset::BbhItem TwoHopItem(const TwoHop& question, absl::Span<const TwoHop> examples) {
  dataset::BbhItem item;
  item.task = "two_hop";
  item.chain_of_thought = "Answer questions about countries.";
  for (const TwoHop& example : examples) {
    absl::StrAppend(&item.chain_of_thought, "\n\nQ: ", example.question,
                    "\nA: ", example.reasoning);
  }
  item.question = question.question;
  item.answers = {question.answer};
  return item;
}

}  // namespace rwku::synth
