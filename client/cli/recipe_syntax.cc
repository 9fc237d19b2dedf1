#include "client/cli/recipe_syntax.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include "base/near_match.h"
#include "base/status_macros.h"

namespace rwku::cli {
namespace {

enum class Kind { kReal, kWhole, kText, kNames };

// A key of the shorthand and the field of v1.Recipe (or of its Lora) that it sets.
struct Key {
  const char* name;
  const char* field;
  Kind kind;
  bool adapters;  // only with :lora
  const char* help;
};

constexpr Key kKeys[] = {
    {"lr", "learning_rate", Kind::kReal, false, "peak learning rate"},
    {"batch", "batch_size", Kind::kWhole, false, "texts in one batch"},
    {"accumulation", "accumulation", Kind::kWhole, false, "batches in one optimizer step"},
    {"epochs", "epochs", Kind::kWhole, false, "passes over the corpus"},
    {"warmup", "warmup_steps", Kind::kWhole, false, "optimizer steps of linear warm-up"},
    {"beta", "beta", Kind::kReal, false, "inverse temperature of npo"},
    {"clip", "max_gradient_norm", Kind::kReal, false, "largest global norm of the gradients"},
    {"cutoff", "cutoff_tokens", Kind::kWhole, false, "tokens at which texts are cut off"},
    {"max-texts", "max_texts", Kind::kWhole, false, "train on the first N texts only, 0 = all"},
    {"label", "label", Kind::kText, false, "name of the row in tables"},
    {"rank", "rank", Kind::kWhole, true, "rank of the adapters"},
    {"alpha", "alpha", Kind::kReal, true, "scale of the adapters times their rank"},
    {"modules", "target_modules", Kind::kNames, true, "adapted projections, as q_proj+v_proj"},
};

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
  const google::protobuf::FieldDescriptor* field =
      message.GetDescriptor()->FindFieldByName(key.field);
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
  if (parts[1] == "full") {
    out.set_tuning(v1::TUNING_KIND_FULL);
  } else if (parts[1] == "lora") {
    out.set_tuning(v1::TUNING_KIND_LORA);
  } else {
    return Wrong(recipe, absl::StrCat("tuning \"", parts[1], "\" is unknown; allowed: full, lora"));
  }
  return absl::OkStatus();
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
    if (key->adapters && recipe.tuning() != v1::TUNING_KIND_LORA) {
      return Wrong(text, absl::StrCat(key->name, " belongs to low-rank adapters: write ",
                                      recipe.method(), ":lora"));
    }
    google::protobuf::Message* message = &recipe;
    if (key->adapters) {
      message = recipe.mutable_lora();
    }
    RWKU_RETURN_IF_ERROR(SetField(text, *key, absl::StripAsciiWhitespace(pair[1]), *message));
  }
  return recipe;
}

std::string RecipeSyntaxHelp() {
  std::string help;
  for (const Key& key : kKeys) {
    const char* form = key.kind == Kind::kReal    ? "X"
                       : key.kind == Kind::kWhole ? "N"
                       : key.kind == Kind::kText  ? "TEXT"
                                                  : "A+B";
    absl::StrAppendFormat(&help, "  %-18s %s%s\n", absl::StrCat(key.name, "=", form), key.help,
                          key.adapters ? " (lora)" : "");
  }
  return help;
}

std::string RecipeText(const v1::Recipe& recipe) {
  std::string text = recipe.method();
  if (recipe.tuning() == v1::TUNING_KIND_FULL || recipe.tuning() == v1::TUNING_KIND_LORA) {
    absl::StrAppend(&text, ":", TuningName(recipe.tuning()));
  }
  for (const Key& key : kKeys) {
    const google::protobuf::Message* message = &recipe;
    if (key.adapters) {
      message = &recipe.lora();
    }
    const google::protobuf::FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(key.field);
    const google::protobuf::Reflection* reflection = message->GetReflection();
    const int size = field->is_repeated() ? reflection->FieldSize(*message, field)
                                          : static_cast<int>(reflection->HasField(*message, field));
    if (size == 0) {
      continue;
    }
    absl::StrAppend(&text, ",", key.name, "=");
    switch (key.kind) {
      case Kind::kReal:
        absl::StrAppend(&text, reflection->GetDouble(*message, field));
        break;
      case Kind::kWhole:
        absl::StrAppend(&text, reflection->GetInt32(*message, field));
        break;
      case Kind::kText:
        absl::StrAppend(&text, reflection->GetString(*message, field));
        break;
      case Kind::kNames:
        for (int i = 0; i < size; ++i) {
          absl::StrAppend(&text, i == 0 ? "" : "+",
                          reflection->GetRepeatedString(*message, field, i));
        }
        break;
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
    default:
      return "default";
  }
}

}  // namespace rwku::cli
