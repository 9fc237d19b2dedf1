// Equality with HF tokenizers and transformers on what tests/oracle/text_oracle.py wrote.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "text/tokenizer.h"

namespace rwku::text {
namespace {

using Json = nlohmann::json;

class TextOracleTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_TEXT_ORACLE");
    const std::filesystem::path folder =
        std::filesystem::path(root == nullptr ? "" : root) / GetParam();
    const absl::StatusOr<std::string> cases = ReadFile(folder / "cases.json");
    if (!cases.ok()) {
      GTEST_SKIP() << "no oracle output at " << folder;
    }
    cases_ = Json::parse(*cases);
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(folder);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  Json cases_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TextOracleTest, TextsBecomeTheIdsOfHuggingFaceAndComeBackAsItsText) {
  ASSERT_GE(cases_["texts"].size(), 1000U);
  for (const Json& text_case : cases_["texts"]) {
    const std::string text = text_case["text"].get<std::string>();
    const std::vector<int32_t> plain = *tokenizer_->Encode(text, false);
    EXPECT_EQ(plain, text_case["ids"].get<std::vector<int32_t>>()) << text_case["text"];
    EXPECT_EQ(*tokenizer_->Encode(text, true), text_case["ids_special"].get<std::vector<int32_t>>())
        << text_case["text"];
    EXPECT_EQ(*tokenizer_->Decode(plain), text_case["decoded"].get<std::string>())
        << text_case["text"];
  }
}

TEST_P(TextOracleTest, ChatsAreRenderedAsApplyChatTemplateDoes) {
  for (const Json& chat : cases_["chats"]) {
    std::vector<ChatMessage> messages;
    for (const Json& message : chat["messages"]) {
      messages.push_back(
          {message["role"].get<std::string>(), message["content"].get<std::string>()});
    }
    const absl::StatusOr<std::string> text =
        tokenizer_->ApplyChatTemplate(messages, chat["add_generation_prompt"].get<bool>());
    if (chat["rendered"].is_null()) {
      EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << chat;
    } else {
      ASSERT_TRUE(text.ok()) << text.status() << chat;
      EXPECT_EQ(*text, chat["rendered"].get<std::string>());
    }
  }
}

TEST_P(TextOracleTest, SizeAndSpecialTokensAreThoseOfTransformers) {
  EXPECT_EQ(tokenizer_->vocabulary_size(), cases_["vocabulary_size"].get<int>());
  EXPECT_EQ(tokenizer_->bos_id().value_or(-1),
            cases_["bos_id"].is_null() ? -1 : cases_["bos_id"].get<int>());
  EXPECT_EQ(tokenizer_->eos_id(), cases_["eos_id"].get<int>());
  EXPECT_EQ(tokenizer_->end_of_turn_id(), cases_["end_of_turn_id"].get<int>());
}

INSTANTIATE_TEST_SUITE_P(Families, TextOracleTest,
                         testing::Values("llama3", "llama2", "mistral", "phi3", "qwen2", "python"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rwku::text
