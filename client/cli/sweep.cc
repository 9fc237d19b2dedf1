#include "client/cli/sweep.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "base/status_macros.h"

namespace rwku::cli {
namespace {

absl::Status Wrong(absl::string_view sweep, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--sweep \"", sweep, "\": ", what));
}

// Adapters belong to :lora, and ranges of layers to tunings that have them.
bool TuningReads(const v1::Recipe& recipe, const std::string& field) {
  const bool lora = recipe.tuning() == v1::TUNING_KIND_LORA;
  if (field == "lora") {
    return lora;
  }
  const bool trains_all = recipe.tuning() == v1::TUNING_KIND_FULL;
  return field != "layers" || !trains_all;
}

bool Reads(const v1::Recipe& recipe, const RecipeKey& key, const std::vector<v1::Method>& known) {
  const auto method = std::find_if(known.begin(), known.end(), [&](const v1::Method& candidate) {
    return candidate.name() == recipe.method();
  });
  return method != known.end() && TuningReads(recipe, key.field) &&
         std::find(method->settings().begin(), method->settings().end(), key.field) !=
             method->settings().end();
}

// As the server names a recipe: full tuning goes without saying.
std::string BaseLabel(const v1::Recipe& recipe) {
  return recipe.label().empty() && recipe.tuning() == v1::TUNING_KIND_FULL ? recipe.method()
                                                                           : RecipeName(recipe);
}

// One way to fill in the keys of a recipe.
struct Variant {
  std::string settings;  // ",lr=1e-7"
  std::string label;     // " lr=1e-07"
};

}  // namespace

absl::StatusOr<Sweep> ParseSweep(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (parts.size() != 2) {
    return Wrong(text, "it is not of the form KEY=VALUE,VALUE...");
  }
  const absl::StatusOr<RecipeKey> key = FindRecipeKey(absl::StripAsciiWhitespace(parts[0]));
  if (!key.ok()) {
    return Wrong(text, key.status().message());
  }
  if (key->name == "label") {
    return Wrong(text, "labels are made of the values; they cannot be swept");
  }
  Sweep sweep{*key, {}};
  std::set<std::string> seen;
  for (const absl::string_view part : absl::StrSplit(parts[1], ',')) {
    const std::string value(absl::StripAsciiWhitespace(part));
    const std::string recipe = absl::StrCat("x:lora,", key->name, "=", value);
    const absl::StatusOr<v1::Recipe> parsed = ParseRecipe(recipe);
    if (!parsed.ok()) {
      absl::string_view why = parsed.status().message();
      return Wrong(text, why.substr(why.find("\": ") + 3));
    }
    // As it is printed: "1e-7" and "0.0000001" are the same.
    const std::string printed = RecipeValue(*parsed, key->name);
    if (!seen.insert(printed).second) {
      return Wrong(text, absl::StrCat(printed, " is there twice"));
    }
    sweep.values.push_back(printed);
  }
  return sweep;
}

absl::StatusOr<std::vector<v1::Recipe>> ExpandSweeps(const std::vector<std::string>& methods,
                                                     const std::vector<Sweep>& sweeps,
                                                     const std::vector<v1::Method>& known) {
  std::vector<bool> read(sweeps.size(), false);
  std::vector<v1::Recipe> recipes;
  for (const std::string& text : methods) {
    RWKU_ASSIGN_OR_RETURN(const v1::Recipe recipe, ParseRecipe(text));
    std::vector<Variant> variants = {{}};
    for (size_t i = 0; i < sweeps.size(); ++i) {
      const Sweep& sweep = sweeps[i];
      for (size_t j = 0; j < i; ++j) {
        if (sweeps[j].key.name == sweep.key.name) {
          return Wrong(sweep.key.name, "it is swept twice; give all values in one --sweep");
        }
      }
      if (!Reads(recipe, sweep.key, known)) {
        continue;
      }
      if (!RecipeValue(recipe, sweep.key.name).empty()) {
        return Wrong(sweep.key.name, absl::StrCat("--method \"", text, "\" sets it itself"));
      }
      read[i] = true;
      std::vector<Variant> more;
      for (const Variant& variant : variants) {
        for (const std::string& value : sweep.values) {
          const std::string setting = absl::StrCat(sweep.key.name, "=", value);
          more.push_back({absl::StrCat(variant.settings, ",", setting),
                          absl::StrCat(variant.label, " ", setting)});
        }
      }
      variants = std::move(more);
    }
    for (const Variant& variant : variants) {
      RWKU_ASSIGN_OR_RETURN(v1::Recipe swept, ParseRecipe(absl::StrCat(text, variant.settings)));
      if (!variant.label.empty()) {
        swept.set_label(absl::StrCat(BaseLabel(recipe), variant.label));
      }
      recipes.push_back(std::move(swept));
    }
  }
  for (size_t i = 0; i < sweeps.size(); ++i) {
    if (!read[i]) {
      return Wrong(sweeps[i].key.name, "no --method reads it");
    }
  }
  return recipes;
}

}  // namespace rwku::cli
