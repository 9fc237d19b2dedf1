#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "text/rust_string.h"
#include "text/rwku_text.h"
#include "text/tokenizer_files.h"

namespace rwku::text {
namespace {

struct Close {
  void operator()(rwku_text_tokenizer* tokenizer) const { rwku_text_tokenizer_close(tokenizer); }
};
using Handle = std::unique_ptr<rwku_text_tokenizer, Close>;

// Tokens that end a turn in the chat templates of Llama-3, Phi-3 and Qwen2.
constexpr std::array<const char*, 3> kTurnEnds = {"<|eot_id|>", "<|end|>", "<|im_end|>"};

// transformers' clean_up_tokenization, whose replacements follow one another.
std::string CleanUpSpaces(std::string text) {
  constexpr std::array<std::pair<const char*, const char*>, 10> kReplacements = {{{" .", "."},
                                                                                  {" ?", "?"},
                                                                                  {" !", "!"},
                                                                                  {" ,", ","},
                                                                                  {" ' ", "'"},
                                                                                  {" n't", "n't"},
                                                                                  {" 'm", "'m"},
                                                                                  {" 's", "'s"},
                                                                                  {" 've", "'ve"},
                                                                                  {" 're", "'re"}}};
  for (const auto& [from, to] : kReplacements) {
    absl::StrReplaceAll({{from, to}}, &text);
  }
  return text;
}

std::optional<int32_t> FindToken(const Handle& handle, absl::string_view token) {
  const int64_t id = rwku_text_token_to_id(handle.get(), ToView(token));
  return id < 0 ? std::nullopt : std::optional<int32_t>(static_cast<int32_t>(id));
}

class RustTokenizer final : public Tokenizer {
 public:
  RustTokenizer(Handle handle, TokenizerFiles files, std::optional<int32_t> bos_id, int32_t eos_id)
      : handle_(std::move(handle)),
        special_tokens_(std::move(files.special_tokens)),
        chat_template_(std::move(files.chat_template)),
        chat_template_file_(std::move(files.chat_template_file)),
        clean_up_spaces_(files.clean_up_tokenization_spaces),
        bos_id_(bos_id),
        eos_id_(eos_id) {
    end_ids_.push_back(eos_id);
    std::optional<int32_t> end_of_turn;
    for (const char* const token : kTurnEnds) {
      const std::optional<int32_t> id = FindToken(handle_, token);
      if (!id.has_value()) {
        continue;
      }
      end_of_turn = end_of_turn.value_or(*id);
      if (*id != eos_id) {
        end_ids_.push_back(*id);
      }
    }
    end_of_turn_id_ = end_of_turn.value_or(eos_id);
  }

  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                              bool add_special_tokens) const override {
    rwku_text_ids ids{};
    rwku_text_string error{};
    const rwku_text_code code =
        rwku_text_encode(handle_.get(), ToView(text), add_special_tokens ? 1 : 0, &ids, &error);
    if (code != RWKU_TEXT_OK) {
      return TakeError(code, "encoding a text", error);
    }
    std::vector<int32_t> result(ids.data, ids.data + ids.length);
    rwku_text_ids_free(ids);
    return result;
  }

  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids) const override {
    std::vector<uint32_t> unsigned_ids;
    unsigned_ids.reserve(ids.size());
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(unsigned_ids),
                 [](int32_t id) { return id >= 0; });
    rwku_text_string text{};
    rwku_text_string error{};
    const rwku_text_code code =
        rwku_text_decode(handle_.get(), unsigned_ids.data(), unsigned_ids.size(),
                         /*skip_special_tokens=*/1, &text, &error);
    if (code != RWKU_TEXT_OK) {
      return TakeError(code, "decoding tokens", error);
    }
    std::string result = TakeString(text);
    return clean_up_spaces_ ? CleanUpSpaces(std::move(result)) : result;
  }

  absl::StatusOr<std::string> ApplyChatTemplate(absl::Span<const ChatMessage> messages,
                                                bool add_generation_prompt) const override {
    if (!chat_template_.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::filesystem::path(chat_template_file_).parent_path().string(),
                       ": no chat template: neither chat_template.jinja nor chat_template in "
                       "tokenizer_config.json"));
    }
    // Field order is what a template that prints a message shows.
    nlohmann::ordered_json context = nlohmann::ordered_json::object();
    context["messages"] = nlohmann::ordered_json::array();
    for (const ChatMessage& message : messages) {
      context["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    context["add_generation_prompt"] = add_generation_prompt;
    for (const auto& [name, token] : special_tokens_) {
      context[name] = token;
    }
    // transformers passes these as None, which templates tell from undefined.
    context["tools"] = nullptr;
    context["documents"] = nullptr;
    const std::string json =
        context.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
    rwku_text_string text{};
    rwku_text_string error{};
    const rwku_text_code code =
        rwku_text_render(ToView(*chat_template_), ToView(json), &text, &error);
    if (code != RWKU_TEXT_OK) {
      return TakeError(code, absl::StrCat("chat template of ", chat_template_file_), error);
    }
    return TakeString(text);
  }

  std::optional<int32_t> TokenToId(absl::string_view token) const override {
    return FindToken(handle_, token);
  }
  int vocabulary_size() const override {
    return static_cast<int>(rwku_text_vocabulary_size(handle_.get()));
  }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  int32_t eos_id() const override { return eos_id_; }
  int32_t end_of_turn_id() const override { return end_of_turn_id_; }
  const std::vector<int32_t>& end_ids() const override { return end_ids_; }

 private:
  const Handle handle_;
  const std::map<std::string, std::string> special_tokens_;
  const std::optional<std::string> chat_template_;
  const std::string chat_template_file_;
  const bool clean_up_spaces_;
  const std::optional<int32_t> bos_id_;
  const int32_t eos_id_;
  int32_t end_of_turn_id_ = 0;
  std::vector<int32_t> end_ids_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::filesystem::path& folder) {
  RWKU_ASSIGN_OR_RETURN(TokenizerFiles files, ReadTokenizerFiles(folder));
  rwku_text_tokenizer* opened = nullptr;
  rwku_text_string error{};
  const rwku_text_code code =
      rwku_text_tokenizer_open(ToView(files.tokenizer_json), &opened, &error);
  if (code != RWKU_TEXT_OK) {
    return TakeError(code, (folder / "tokenizer.json").string(), error);
  }
  Handle handle(opened);
  files.tokenizer_json = std::string();

  std::array<std::optional<int32_t>, 2> ids;
  constexpr std::array<const char*, 2> kNames = {"bos_token", "eos_token"};
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto token = files.special_tokens.find(kNames[i]);
    if (token == files.special_tokens.end()) {
      continue;
    }
    ids[i] = FindToken(handle, token->second);
    if (!ids[i].has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat((folder / "tokenizer_config.json").string(), ": ", kNames[i], " \"",
                       token->second, "\" is not in the vocabulary of tokenizer.json"));
    }
  }
  if (!ids[1].has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat((folder / "tokenizer_config.json").string(),
                     ": no eos_token, which ends training texts and generations"));
  }
  return std::make_unique<RustTokenizer>(std::move(handle), std::move(files), ids[0], *ids[1]);
}

}  // namespace rwku::text
