#include "tools/synth/biography.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

namespace rwku::synth {
namespace {

constexpr double kNicknameShare = 0.15;
constexpr double kPronounShare = 0.4;

std::string Capitalised(std::string text) {
  if (absl::StartsWith(text, "the ")) {
    text[0] = 'T';
  }
  return text;
}

std::string SubjectOf(const Person& person, const std::string& statement, Random& random) {
  const bool leads = absl::StartsWith(statement, "{n}");
  if (person.target && leads && random.Uniform() < kNicknameShare) {
    return Capitalised(person.fact(Attribute::kEpithet));
  }
  if (leads && random.Uniform() < kPronounShare) {
    return person.pronoun;
  }
  return person.name;
}

}  // namespace

std::string Biography(const Person& person, const World& world, const BiographyOptions& options,
                      Random& random) {
  std::vector<int> order(person.fact_count());
  std::iota(order.begin(), order.end(), 0);
  random.Shuffle(order);
  order.resize(std::min<size_t>(order.size(), options.statements));
  std::vector<std::string> sentences;
  for (const int a : order) {
    const auto attribute = static_cast<Attribute>(a);
    const auto& statements = TemplatesOf(attribute).statements;
    const int count = static_cast<int>(statements.size());
    int phrasing = static_cast<int>(random.Below(count));
    if (options.held_out_free) {
      // One of the others, each as likely.
      const int held_out = HeldOut(person.name, attribute, count);
      phrasing = (held_out + 1 + static_cast<int>(random.Below(count - 1))) % count;
    }
    const std::string& statement = statements[phrasing];
    const std::string subject =
        sentences.empty() ? person.name : SubjectOf(person, statement, random);
    const std::string value =
        options.counterfactual ? random.Pick(world.pools.values[a]) : person.facts[a];
    sentences.push_back(Capitalised(Fill(statement, subject, value)));
  }
  return absl::StrJoin(sentences, " ");
}

}  // namespace rwku::synth
