// The command line's shorthand for a recipe: NAME[:TUNING][,key=value...].
//
//   ga            ga with every published default
//   npo:lora      npo on low-rank adapters
//   ga:lora,lr=1e-5,epochs=3,label=gentle
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/recipe.pb.h"

namespace rwku::cli {

// The recipe that `text` says; what it leaves out stays unset, so that the server fills in the
// published default. INVALID_ARGUMENT names the part that is wrong, with near matches for an
// unknown key. Names of methods and ranges of values are the server's to check.
absl::StatusOr<v1::Recipe> ParseRecipe(absl::string_view text);

struct RecipeKey {
  std::string name;   // as in the shorthand: "lr"
  std::string field;  // of v1.Recipe that holds it: "learning_rate"; "lora" for "rank"
};

// The key of that name, or of that field's name. INVALID_ARGUMENT with near matches.
absl::StatusOr<RecipeKey> FindRecipeKey(absl::string_view name);

// The value of a key as RecipeText writes it; empty if `recipe` does not set it, or there is no
// such key.
std::string RecipeValue(const v1::Recipe& recipe, absl::string_view key);

// One line a key, "  lr=X  peak learning rate ...", for help texts.
std::string RecipeSyntaxHelp();

// The shorthand that ParseRecipe reads as `recipe`.
std::string RecipeText(const v1::Recipe& recipe);

// "ga-lora": the label if there is one, else made of method and tuning; "corpus" without a method.
std::string RecipeName(const v1::Recipe& recipe);

// "none", "full", "lora" or "default".
absl::string_view TuningName(v1::TuningKind tuning);

}  // namespace rwku::cli
