#include "client/cli/recipe_syntax.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "base/near_match.h"
#include "base/status_macros.h"

namespace rwku::cli {
namespace {

enum class Kind { kReal, kWhole, kText, kNames, kChoice };

// Where the field of a key is.
enum class Place {
  kRecipe,
  kLora,  // only with :lora
  kRetain,
};

// A key of the shorthand and the field of v1.Recipe (or of a part of it) that it sets.
struct Key {
  const char* name;
  const char* field;
  Kind kind;
  Place place;
  const char* help;
};

constexpr Key kKeys[] = {
    {"lr", "learning_rate", Kind::kReal, Place::kRecipe, "peak learning rate"},
    {"batch", "batch_size", Kind::kWhole, Place::kRecipe, "texts in one batch"},
    {"accumulation", "accumulation", Kind::kWhole, Place::kRecipe, "batches in one optimizer step"},
    {"epochs", "epochs", Kind::kWhole, Place::kRecipe, "passes over the corpus"},
    {"warmup", "warmup_steps", Kind::kWhole, Place::kRecipe, "optimizer steps of linear warm-up"},
    {"beta", "beta", Kind::kReal, Place::kRecipe, "beta of npo, dpo, simnpo, undial, wga, satimp"},
    {"beta2", "beta2", Kind::kReal, Place::kRecipe, "second exponent of satimp"},
    {"margin", "margin", Kind::kReal, Place::kRecipe, "margin of simnpo"},
    {"strength", "strength", Kind::kReal, Place::kRecipe, "strength of repe, length of rmu"},
    {"layer", "layer", Kind::kWhole, Place::kRecipe, "decoder layer of rmu"},
    {"layers", "layers", Kind::kText, Place::kRecipe, "decoder layers A to B - 1, as 0-4"},
    {"gamma", "forget_weight", Kind::kReal, Place::kRecipe, "weight of the forget loss"},
    {"retain", "term", Kind::kChoice, Place::kRetain, "retain term"},
    {"retain-weight", "weight", Kind::kReal, Place::kRetain, "weight of the retain term"},
    {"retain-from", "source", Kind::kChoice, Place::kRetain, "where retain texts come from"},
    {"clip", "max_gradient_norm", Kind::kReal, Place::kRecipe, "largest global gradient norm"},
    {"cutoff", "cutoff_tokens", Kind::kWhole, Place::kRecipe, "tokens that texts are cut off at"},
    {"max-texts", "max_texts", Kind::kWhole, Place::kRecipe, "first N texts of a target, 0 = all"},
    {"label", "label", Kind::kText, Place::kRecipe, "name of the row in tables"},
    {"rank", "rank", Kind::kWhole, Place::kLora, "rank of the adapters"},
    {"alpha", "alpha", Kind::kReal, Place::kLora, "scale of the adapters times their rank"},
    {"modules", "target_modules", Kind::kNames, Place::kLora, "projections, as q_proj+v_proj"},
};

// The part of the recipe that holds the key's field.
const google::protobuf::Message& PartOf(const Key& key, const v1::Recipe& recipe) {
  switch (key.place) {
    case Place::kLora:
      return recipe.lora();
    case Place::kRetain:
      return recipe.retain();
    default:
      return recipe;
  }
}

google::protobuf::Message& MutablePartOf(const Key& key, v1::Recipe& recipe) {
  switch (key.place) {
    case Place::kLora:
      return *recipe.mutable_lora();
    case Place::kRetain:
      return *recipe.mutable_retain();
    default:
      return recipe;
  }
}

const google::protobuf::FieldDescriptor* FieldOf(const Key& key) {
  return PartOf(key, v1::Recipe::default_instance()).GetDescriptor()->FindFieldByName(key.field);
}

// "nll" of RETAIN_TERM_KIND_NLL: what its type's name does not say.
std::string ChoiceName(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix = value.type()->value(0)->name();
  prefix.resize(prefix.size() - absl::string_view("UNSPECIFIED").size());
  return absl::AsciiStrToLower(value.name().substr(prefix.size()));
}

// What a choice can be; the first value of an enumeration stands for the default.
std::vector<std::string> ChoiceNames(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type.value_count()));
  for (int i = 1; i < type.value_count(); ++i) {
    names.push_back(ChoiceName(*type.value(i)));
  }
  return names;
}

const Key* FindKey(absl::string_view name) {
  for (const Key& key : kKeys) {
    if (name == key.name || name == key.field) {
      return &key;
    }
  }
  return nullptr;
}

absl::Status Wrong(absl::string_view recipe, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--method \"", recipe, "\": ", what));
}

// Sets the field of `key` in `message`, found by reflection so that a key is one line of the table.
absl::Status SetField(absl::string_view recipe, const Key& key, absl::string_view value,
                      google::protobuf::Message& message) {
  const google::protobuf::FieldDescriptor* field = FieldOf(key);
  const google::protobuf::Reflection* reflection = message.GetReflection();
  if (value.empty()) {
    return Wrong(recipe, absl::StrCat(key.name, " has no value"));
  }
  switch (key.kind) {
    case Kind::kReal: {
      double number = 0;
      if (!absl::SimpleAtod(value, &number) || !std::isfinite(number)) {
        return Wrong(recipe, absl::StrCat(key.name, "=", value, " is not a number"));
      }
      reflection->SetDouble(&message, field, number);
      return absl::OkStatus();
    }
    case Kind::kWhole: {
      int32_t number = 0;
      if (!absl::SimpleAtoi(value, &number)) {
        return Wrong(recipe, absl::StrCat(key.name, "=", value, " is not a whole number"));
      }
      reflection->SetInt32(&message, field, number);
      return absl::OkStatus();
    }
    case Kind::kText:
      reflection->SetString(&message, field, std::string(value));
      return absl::OkStatus();
    case Kind::kChoice:
      for (int i = 1; i < field->enum_type()->value_count(); ++i) {
        if (ChoiceName(*field->enum_type()->value(i)) == value) {
          reflection->SetEnum(&message, field, field->enum_type()->value(i));
          return absl::OkStatus();
        }
      }
      return Wrong(recipe, absl::StrCat(key.name, "=", value, " is unknown; allowed: ",
                                        absl::StrJoin(ChoiceNames(*field->enum_type()), ", ")));
    case Kind::kNames:
      for (const absl::string_view name : absl::StrSplit(value, '+')) {
        if (name.empty()) {
          return Wrong(recipe, absl::StrCat(key.name, "=", value, " holds an empty name"));
        }
        reflection->AddString(&message, field, std::string(name));
      }
      return absl::OkStatus();
  }
  return absl::InternalError("unknown kind of recipe key");
}

absl::Status ParseHead(absl::string_view recipe, absl::string_view head, v1::Recipe& out) {
  const std::vector<absl::string_view> parts = absl::StrSplit(head, absl::MaxSplits(':', 1));
  if (parts[0].empty()) {
    return Wrong(recipe, "the name of the method is missing");
  }
  out.set_method(std::string(parts[0]));
  if (parts.size() == 1) {
    return absl::OkStatus();
  }
  for (const v1::TuningKind tuning :
       {v1::TUNING_KIND_FULL, v1::TUNING_KIND_LORA, v1::TUNING_KIND_PARTIAL}) {
    if (parts[1] == TuningName(tuning)) {
      out.set_tuning(tuning);
      return absl::OkStatus();
    }
  }
  return Wrong(recipe,
               absl::StrCat("tuning \"", parts[1], "\" is unknown; allowed: full, lora, partial"));
}

std::vector<std::string> KeyNames() {
  std::vector<std::string> names;
  for (const Key& key : kKeys) {
    names.emplace_back(key.name);
  }
  return names;
}

}  // namespace

absl::StatusOr<v1::Recipe> ParseRecipe(absl::string_view text) {
  v1::Recipe recipe;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  RWKU_RETURN_IF_ERROR(ParseHead(text, absl::StripAsciiWhitespace(parts[0]), recipe));
  std::vector<const Key*> seen;
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::vector<absl::string_view> pair = absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(pair[0]);
    if (pair.size() != 2) {
      return Wrong(text, absl::StrCat("\"", parts[i], "\" is not of the form key=value"));
    }
    const Key* key = FindKey(name);
    if (key == nullptr) {
      return Wrong(text, UnknownNameMessage("key", name, KeyNames()));
    }
    for (const Key* other : seen) {
      if (other == key) {
        return Wrong(text, absl::StrCat(key->name, " is given twice"));
      }
    }
    seen.push_back(key);
    if (key->place == Place::kLora && recipe.tuning() != v1::TUNING_KIND_LORA) {
      return Wrong(text, absl::StrCat(key->name, " belongs to low-rank adapters: write ",
                                      recipe.method(), ":lora"));
    }
    RWKU_RETURN_IF_ERROR(
        SetField(text, *key, absl::StripAsciiWhitespace(pair[1]), MutablePartOf(*key, recipe)));
  }
  return recipe;
}

namespace {

// What stands after the "=" in the help.
std::string FormOf(const Key& key) {
  switch (key.kind) {
    case Kind::kReal:
      return "X";
    case Kind::kWhole:
      return "N";
    case Kind::kText:
      return "TEXT";
    case Kind::kNames:
      return "A+B";
    case Kind::kChoice:
      return absl::StrJoin(ChoiceNames(*FieldOf(key)->enum_type()), "|");
  }
  return "";
}

}  // namespace

std::string RecipeSyntaxHelp() {
  std::string help;
  for (const Key& key : kKeys) {
    absl::StrAppendFormat(&help, "  %-18s %s%s\n", absl::StrCat(key.name, "=", FormOf(key)),
                          key.help, key.place == Place::kLora ? " (lora)" : "");
  }
  return help;
}

namespace {

// The shortest text that reads back as `value`: "1e-07", "0.1".
std::string NumberText(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  return {text.data(), end.ptr};
}

// Empty if `recipe` does not set the key.
std::string ValueText(const Key& key, const v1::Recipe& recipe) {
  const google::protobuf::Message& message = PartOf(key, recipe);
  const google::protobuf::FieldDescriptor* field = FieldOf(key);
  const google::protobuf::Reflection* reflection = message.GetReflection();
  if (!field->is_repeated() && !reflection->HasField(message, field)) {
    return "";
  }
  switch (key.kind) {
    case Kind::kReal:
      return NumberText(reflection->GetDouble(message, field));
    case Kind::kWhole:
      return absl::StrCat(reflection->GetInt32(message, field));
    case Kind::kText:
      return reflection->GetString(message, field);
    case Kind::kChoice:
      return ChoiceName(*reflection->GetEnum(message, field));
    case Kind::kNames: {
      std::string names;
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        absl::StrAppend(&names, i == 0 ? "" : "+",
                        reflection->GetRepeatedString(message, field, i));
      }
      return names;
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<RecipeKey> FindRecipeKey(absl::string_view name) {
  const Key* key = FindKey(name);
  if (key == nullptr) {
    return absl::InvalidArgumentError(UnknownNameMessage("key", name, KeyNames()));
  }
  switch (key->place) {
    case Place::kLora:
      return RecipeKey{key->name, "lora"};
    case Place::kRetain:
      return RecipeKey{key->name, "retain"};
    default:
      return RecipeKey{key->name, key->field};
  }
}

std::string RecipeValue(const v1::Recipe& recipe, absl::string_view key) {
  const Key* found = FindKey(key);
  return found == nullptr ? "" : ValueText(*found, recipe);
}

std::string RecipeText(const v1::Recipe& recipe) {
  std::string text = recipe.method();
  if (recipe.tuning() != v1::TUNING_KIND_UNSPECIFIED && recipe.tuning() != v1::TUNING_KIND_NONE) {
    absl::StrAppend(&text, ":", TuningName(recipe.tuning()));
  }
  for (const Key& key : kKeys) {
    if (const std::string value = ValueText(key, recipe); !value.empty()) {
      absl::StrAppend(&text, ",", key.name, "=", value);
    }
  }
  return text;
}

std::string RecipeName(const v1::Recipe& recipe) {
  if (!recipe.label().empty()) {
    return recipe.label();
  }
  if (recipe.method().empty()) {
    return "corpus";  // a job that writes corpora forgets nothing
  }
  switch (recipe.tuning()) {
    case v1::TUNING_KIND_FULL:
    case v1::TUNING_KIND_LORA:
    case v1::TUNING_KIND_PARTIAL:
      return absl::StrCat(recipe.method(), "-", TuningName(recipe.tuning()));
    default:
      return recipe.method();
  }
}

absl::string_view TuningName(v1::TuningKind tuning) {
  switch (tuning) {
    case v1::TUNING_KIND_NONE:
      return "none";
    case v1::TUNING_KIND_FULL:
      return "full";
    case v1::TUNING_KIND_LORA:
      return "lora";
    case v1::TUNING_KIND_PARTIAL:
      return "partial";
    default:
      return "default";
  }
}

}  // namespace rwku::cli
