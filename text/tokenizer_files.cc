#include "text/tokenizer_files.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "text/json_file.h"

namespace rwku::text {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr uintmax_t kTokenizerLimit = 256'000'000;  // bytes

absl::Status Invalid(const fs::path& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.string(), ": ", what));
}

// Nothing where the file does not exist.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const fs::path& file, uintmax_t limit) {
  absl::StatusOr<std::string> contents = ReadFileUpTo(file, limit);
  if (contents.ok()) {
    return *std::move(contents);
  }
  if (absl::IsNotFound(contents.status())) {
    return std::nullopt;
  }
  return contents.status();
}

// An empty object where the file does not exist.
absl::StatusOr<Json> ReadObject(const fs::path& file) {
  RWKU_ASSIGN_OR_RETURN(const std::optional<std::string> contents,
                        ReadIfThere(file, kJsonFileLimit));
  return contents.has_value() ? ParseJsonObject(*contents, file.string()) : Json::object();
}

// A token is a string or an AddedToken object with its "content".
std::optional<std::string> TokenText(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  return std::nullopt;
}

// Adds the fields named "..._token" that are not there yet.
absl::Status AddSpecialTokens(const Json& json, const fs::path& file, TokenizerFiles* files) {
  for (const auto& [name, value] : json.items()) {
    // add_bos_token and its kind are switches.
    if (!absl::EndsWith(name, "_token") || value.is_null() || value.is_boolean()) {
      continue;
    }
    std::optional<std::string> token = TokenText(value);
    if (!token.has_value()) {
      return Invalid(file, absl::StrCat(name, " is neither a string nor a token object"));
    }
    files->special_tokens.try_emplace(name, *std::move(token));
  }
  return absl::OkStatus();
}

// A template, or the one called "default" of a list of {name, template}.
absl::Status ReadTemplate(const Json& value, const fs::path& file, TokenizerFiles* files) {
  if (value.is_string()) {
    files->chat_template = value.get<std::string>();
    return absl::OkStatus();
  }
  if (!value.is_array()) {
    return Invalid(file, "chat_template is neither a string nor a list");
  }
  for (const Json& entry : value) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
        !entry["name"].is_string() || !entry["template"].is_string()) {
      return Invalid(file, "an entry of chat_template lacks a name or a template");
    }
    if (entry["name"] == "default") {
      files->chat_template = entry["template"].get<std::string>();
    }
  }
  if (!files->chat_template.has_value()) {
    return Invalid(file, "chat_template holds no template named default");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const fs::path& folder) {
  TokenizerFiles files;
  const fs::path tokenizer_path = folder / "tokenizer.json";
  RWKU_ASSIGN_OR_RETURN(std::optional<std::string> tokenizer_json,
                        ReadIfThere(tokenizer_path, kTokenizerLimit));
  if (!tokenizer_json.has_value()) {
    return Invalid(tokenizer_path, "no such file; a model folder needs one");
  }
  files.tokenizer_json = *std::move(tokenizer_json);

  const fs::path config_path = folder / "tokenizer_config.json";
  RWKU_ASSIGN_OR_RETURN(const Json config, ReadObject(config_path));
  RWKU_RETURN_IF_ERROR(AddSpecialTokens(config, config_path, &files));
  const fs::path map_path = folder / "special_tokens_map.json";
  RWKU_ASSIGN_OR_RETURN(const Json map, ReadObject(map_path));
  RWKU_RETURN_IF_ERROR(AddSpecialTokens(map, map_path, &files));
  if (const auto clean = config.find("clean_up_tokenization_spaces");
      clean != config.end() && clean->is_boolean()) {
    files.clean_up_tokenization_spaces = clean->get<bool>();
  }

  const fs::path template_path = folder / "chat_template.jinja";
  RWKU_ASSIGN_OR_RETURN(files.chat_template, ReadIfThere(template_path, kJsonFileLimit));
  files.chat_template_file = template_path.string();
  if (!files.chat_template.has_value() && config.contains("chat_template") &&
      !config["chat_template"].is_null()) {
    files.chat_template_file = config_path.string();
    RWKU_RETURN_IF_ERROR(ReadTemplate(config["chat_template"], config_path, &files));
  }
  return files;
}

}  // namespace rwku::text
