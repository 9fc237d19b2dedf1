#include "text/tokenizer.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "text/bpe_trainer.h"

namespace rwku::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class TokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              absl::StrCat("tokenizer_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    BpeOptions options;
    options.vocabulary_size = 300;
    options.special_tokens = {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"};
    options.bos = "<|begin_of_text|>";
    const std::vector<std::string> texts(20, "a small text about nothing much");
    const absl::StatusOr<std::string> json = TrainByteLevelBpe(texts, options);
    ASSERT_TRUE(json.ok()) << json.status();
    Write("tokenizer.json", *json);
    Config(R"(, "chat_template": "config")");
  }

  void Write(const std::string& name, const std::string& contents) {
    ASSERT_TRUE(WriteFileAtomically(folder_ / name, contents).ok());
  }

  void Config(const std::string& more) {
    Write("tokenizer_config.json",
          R"({"bos_token": {"content": "<|begin_of_text|>"}, "eos_token": "<|end_of_text|>")" +
              more + "}");
  }

  std::string Render(bool add_generation_prompt = true) {
    const auto tokenizer = Tokenizer::Load(folder_);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    const std::vector<ChatMessage> messages = {{"user", "Hi <b> & \"é\""}};
    const absl::StatusOr<std::string> text =
        (*tokenizer)->ApplyChatTemplate(messages, add_generation_prompt);
    return text.ok() ? *text : text.status().ToString();
  }

  std::string LoadError() { return std::string(Tokenizer::Load(folder_).status().message()); }

  std::filesystem::path folder_;
};

TEST_F(TokenizerTest, TheJinjaFileWinsOverTheConfigsTemplate) {
  EXPECT_EQ(Render(), "config");
  Write("chat_template.jinja", "file");
  EXPECT_EQ(Render(), "file");
}

TEST_F(TokenizerTest, OfAListOfTemplatesTheDefaultOneIsTaken) {
  Config(R"(, "chat_template": [{"name": "tool_use", "template": "t"},
                                {"name": "default", "template": "d"}])");
  EXPECT_EQ(Render(), "d");
}

TEST_F(TokenizerTest, ATemplateSeesSpecialTokensMethodsAndPythonsJson) {
  Write("chat_template.jinja",
        "{{ bos_token }}{% for m in messages %}\n"
        "    {% if loop.first %}\n"
        "{{ m['content'].strip() | upper }}|{{ m | tojson }}|{{ m.missing is defined }}\n"
        "    {% endif %}\n"
        "{% endfor %}\n{% if add_generation_prompt %}go{% endif %}\n");
  EXPECT_EQ(Render(),
            "<|begin_of_text|>HI <B> & \"É\"|{\"role\": \"user\", \"content\": \"Hi <b> & "
            "\\\"é\\\"\"}|False\ngo");
}

TEST_F(TokenizerTest, WhatATemplateRaisesIsTheError) {
  Write("chat_template.jinja", "\n{{ raise_exception('roles must alternate') }}");
  EXPECT_THAT(Render(), HasSubstr("roles must alternate"));
  EXPECT_THAT(Render(), HasSubstr("chat_template.jinja"));
}

TEST_F(TokenizerTest, AnEndlessTemplateEnds) {
  Write("chat_template.jinja",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
        "{% endfor %}{% endfor %}{% endfor %}");
  EXPECT_THAT(Render(), StartsWith("INVALID_ARGUMENT"));
}

TEST_F(TokenizerTest, ATemplateThatWantsTheDateTakesItsFixedOne) {
  Write("chat_template.jinja",
        "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024"
        "{% endif %}");
  EXPECT_EQ(Render(), "26 Jul 2024");
}

TEST_F(TokenizerTest, WithoutATemplateThereIsNoChat) {
  Config("");
  EXPECT_THAT(Render(), StartsWith("INVALID_ARGUMENT: " + folder_.string() + ": no chat template"));
}

TEST_F(TokenizerTest, GenerationEndsAtEosAndAtTheTurnsEndAlone) {
  EXPECT_THAT((*Tokenizer::Load(folder_))->end_ids(), ElementsAre(1, 2));
  Write("config.json", R"({"eos_token_id": 7})");
  Write("generation_config.json", R"({"eos_token_id": [1, 9]})");
  EXPECT_THAT((*Tokenizer::Load(folder_))->end_ids(), ElementsAre(1, 2));
}

TEST_F(TokenizerTest, TheTurnEndsWithTheFirstOfTheFamiliesTokensElseWithEos) {
  struct Case {
    std::vector<std::string> tokens;  // after <|end_of_text|>, which is token 0 and the EOS
    int32_t end_of_turn;
    std::vector<int32_t> end_ids;
  };
  const std::vector<Case> cases = {{{}, 0, {0}},
                                   {{"<|end|>"}, 1, {0, 1}},
                                   {{"<|im_end|>"}, 1, {0, 1}},
                                   {{"<|im_end|>", "<|end|>"}, 2, {0, 2, 1}},
                                   {{"<|end|>", "<|eot_id|>"}, 2, {0, 2, 1}}};
  Write("tokenizer_config.json", R"({"eos_token": "<|end_of_text|>"})");
  for (const Case& test : cases) {
    BpeOptions options;
    options.vocabulary_size = 300;
    options.special_tokens = {"<|end_of_text|>"};
    options.special_tokens.insert(options.special_tokens.end(), test.tokens.begin(),
                                  test.tokens.end());
    Write("tokenizer.json", *TrainByteLevelBpe({"a small text"}, options));
    const auto tokenizer = Tokenizer::Load(folder_);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ((*tokenizer)->end_of_turn_id(), test.end_of_turn);
    EXPECT_EQ((*tokenizer)->end_ids(), test.end_ids);
  }
}

TEST_F(TokenizerTest, SpacesAreCleanedUpWhereTheConfigSaysSo) {
  const std::string text = "so , it 's done . Is n't it ?";
  const auto plain = *Tokenizer::Load(folder_);
  EXPECT_EQ(*plain->Decode(*plain->Encode(text, true)), text);
  Config(R"(, "clean_up_tokenization_spaces": true)");
  const auto cleaning = *Tokenizer::Load(folder_);
  EXPECT_EQ(*cleaning->Decode(*cleaning->Encode(text, true)), "so, it's done. Isn't it?");
}

TEST_F(TokenizerTest, ATextThatTheVocabularyCannotSpellIsAnError) {
  // No word is known, and the token that would stand for it is missing.
  Write("tokenizer.json", R"({"version": "1.0", "added_tokens": [
      {"id": 0, "content": "<|end_of_text|>", "single_word": false, "lstrip": false,
       "rstrip": false, "normalized": false, "special": true}],
      "model": {"type": "WordLevel", "vocab": {"<|end_of_text|>": 0}, "unk_token": "<unk>"}})");
  Write("tokenizer_config.json", R"({"eos_token": "<|end_of_text|>"})");
  const auto tokenizer = Tokenizer::Load(folder_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto ids = (*tokenizer)->Encode("word", false);
  EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ids.status().message()), HasSubstr("encoding a text"));
}

TEST_F(TokenizerTest, BadFilesAreNamed) {
  struct Case {
    const char* file;
    std::string contents;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"tokenizer.json", "{", "tokenizer.json: "},
      {"tokenizer.json", R"({"model": 3})", "tokenizer.json: "},
      {"tokenizer.json", std::string(100000, '['), "tokenizer.json: "},
      {"tokenizer_config.json", "[]", "tokenizer_config.json: not a JSON object"},
      {"tokenizer_config.json", "{\"a\":" + std::string(100000, '['), "nested deeper than 64"},
      {"tokenizer_config.json", "{}", "no eos_token"},
      {"tokenizer_config.json", R"({"eos_token": "</s>"})", "eos_token \"</s>\" is not in the"},
      {"tokenizer_config.json", R"({"eos_token": 3})", "eos_token is neither"},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.message);
    SetUp();
    Write(bad.file, bad.contents);
    const absl::Status status = Tokenizer::Load(folder_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.message));
  }
  std::filesystem::remove(folder_ / "tokenizer.json");
  EXPECT_THAT(LoadError(), HasSubstr("tokenizer.json: no such file"));
}

}  // namespace
}  // namespace rwku::text
