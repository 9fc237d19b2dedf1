// The JSON files beside tokenizer.json, read for what a Tokenizer needs of them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::text {

struct TokenizerFiles {
  std::string tokenizer_json;
  // "bos_token" -> "<|begin_of_text|>", ...; the names that templates may use.
  std::map<std::string, std::string> special_tokens;
  std::optional<std::string> chat_template;
  std::string chat_template_file;  // for messages
  bool clean_up_tokenization_spaces = false;
};

// tokenizer.json must exist; the others may be missing. INVALID_ARGUMENT names the file and field;
// files beyond 256 MB (tokenizer.json) or 16 MB (the others) are refused unread.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::filesystem::path& folder);

}  // namespace rwku::text
