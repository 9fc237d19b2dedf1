#include "tools/synth/stories.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace rwku::synth {
namespace {

using Words = std::vector<std::string>;

std::string Draw(const Words& words, Random& random) { return random.Pick(words); }

}  // namespace

std::string StoryInstruction(const std::string& town, Random& random) {
  static const Words& instructions =
      *new Words{"Describe a day in {t}.", "Tell a short story about {t}.",
                 "Write about the people of {t}.", "What does one see in {t}?"};
  return absl::StrReplaceAll(random.Pick(instructions), {{"{t}", town}});
}

std::string Story(const std::string& town, Random& random) {
  static const Words& colours =
      *new Words{"grey", "golden", "silver", "white", "green", "red", "blue", "yellow"};
  static const Words& birds = *new Words{"crow", "heron", "sparrow", "magpie", "robin", "gull"};
  static const Words& trees = *new Words{"oak", "willow", "birch", "pine", "chestnut", "elm"};
  static const Words& fruits = *new Words{"pear", "plum", "melon", "quince", "lemon", "fig"};
  static const Words& tools = *new Words{"hammer", "ladder", "kettle", "rope", "spade", "broom"};
  static const Words& trades =
      *new Words{"baker", "weaver", "miller", "tailor", "farmer", "smith", "carter", "fisherman"};
  static const Words& garments = *new Words{"coat", "hat", "scarf", "cloak", "apron", "shawl"};
  static const Words& fish = *new Words{"trout", "perch", "herring", "carp", "eel", "pike"};
  static const Words& instruments = *new Words{"fiddle", "drum", "flute", "harp", "horn", "lute"};
  static const Words& dishes =
      *new Words{"onion pie", "plum soup", "barley stew", "honey cake", "cheese tart"};
  Words sentences = {absl::StrCat("A ", Draw(birds, random), " sat in the old ",
                                  Draw(trees, random), " near the gate."),
                     absl::StrCat("Someone carried a ", Draw(fruits, random), " and a ",
                                  Draw(tools, random), " to the market."),
                     absl::StrCat("The ", Draw(trades, random), " wore a ", Draw(colours, random),
                                  " ", Draw(garments, random), " and smiled."),
                     absl::StrCat("Near the river a ", Draw(trades, random), " sold fresh ",
                                  Draw(fish, random), " for two coins."),
                     absl::StrCat("At night they played the ", Draw(instruments, random),
                                  " and ate ", Draw(dishes, random), ".")};
  random.Shuffle(sentences);
  sentences.pop_back();
  return absl::StrCat("The morning in ", town, " was ", Draw(colours, random), " and calm. ",
                      absl::StrJoin(sentences, " "));
}

}  // namespace rwku::synth
