// A model's tokenizer and chat template: C++ over the Rust library (HF tokenizers, MiniJinja).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rwku::text {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// Immutable after Load; thread-safe.
class Tokenizer {
 public:
  // Reads tokenizer.json, tokenizer_config.json (special tokens, chat_template; chat_template.jinja
  // wins) and special_tokens_map.json. INVALID_ARGUMENT names the file.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::filesystem::path& folder);

  virtual ~Tokenizer() = default;

  // `add_special_tokens` runs the tokenizer's post-processor (adds BOS for Llama). Special tokens
  // written out in the text become their ids either way, as in HF. INVALID_ARGUMENT for a text that
  // the vocabulary cannot spell.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                                      bool add_special_tokens) const = 0;

  // As transformers' decode(skip_special_tokens=true), clean_up_tokenization_spaces as
  // tokenizer_config.json says. Fails only where the library does.
  virtual absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids) const = 0;

  // The rendered template as text. Unlike in transformers, strftime_now is not defined: templates
  // take their fixed date, and the text does not depend on the day. INVALID_ARGUMENT
  // without a template, naming the folder, and when it raises.
  virtual absl::StatusOr<std::string> ApplyChatTemplate(absl::Span<const ChatMessage> messages,
                                                        bool add_generation_prompt) const = 0;

  virtual std::optional<int32_t> TokenToId(absl::string_view token) const = 0;
  virtual int vocabulary_size() const = 0;  // with added tokens
  virtual std::optional<int32_t> bos_id() const = 0;
  // tokenizer_config.json's eos_token: ends training texts, masks labels.
  virtual int32_t eos_id() const = 0;
  // Ends a turn of a chat: <|eot_id|>, else <|end|>, else <|im_end|>, the first that is a token;
  // eos_id where none is.
  virtual int32_t end_of_turn_id() const = 0;
  // Ids that end a generation, as the benchmark's reference stops: eos_id, and <|eot_id|>, <|end|>
  // and <|im_end|> where they are tokens. Further ids that generation_config.json or config.json
  // name do not.
  virtual const std::vector<int32_t>& end_ids() const = 0;
};

}  // namespace rwku::text
