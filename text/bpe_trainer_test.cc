#include "text/bpe_trainer.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "text/tokenizer.h"

namespace rwku::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Lt;

std::vector<std::string> Texts() {
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) {
    texts.push_back("Gárulk Morneilk was born in Brapoth in " + std::to_string(1900 + i % 90) +
                    ".\n\nHe plays the lute\tand sings.");
  }
  return texts;
}

BpeOptions Options() {
  BpeOptions options;
  options.vocabulary_size = 300;
  options.special_tokens = {"<|begin_of_text|>", "<|eot_id|>"};
  options.bos = "<|begin_of_text|>";
  return options;
}

TEST(BpeTrainerTest, EqualTextsGiveEqualBytes) {
  const absl::StatusOr<std::string> first = TrainByteLevelBpe(Texts(), Options());
  const absl::StatusOr<std::string> second = TrainByteLevelBpe(Texts(), Options());
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*first, *second);
}

TEST(BpeTrainerTest, TheTrainedTokenizerReadsAnyTextAndGivesItBack) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("bpe_trainer_", getpid());
  std::filesystem::create_directories(folder);
  const absl::StatusOr<std::string> json = TrainByteLevelBpe(Texts(), Options());
  ASSERT_TRUE(json.ok()) << json.status();
  ASSERT_TRUE(WriteFileAtomically(folder / "tokenizer.json", *json).ok());
  ASSERT_TRUE(
      WriteFileAtomically(folder / "tokenizer_config.json",
                          R"({"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"})")
          .ok());
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 300);
  EXPECT_EQ((*tokenizer)->bos_id(), 0);
  EXPECT_EQ((*tokenizer)->eos_id(), 1);
  EXPECT_THAT(*(*tokenizer)->Encode("<|eot_id|>", true), ElementsAre(0, 1));
  const std::string text = "Morneilk  sings: 日本語 🎉\r\n\t fini";
  EXPECT_EQ(*(*tokenizer)->Decode(*(*tokenizer)->Encode(text, true)), text);
  EXPECT_THAT((*tokenizer)->Encode(" Morneilk", false)->size(), Lt(5U));
  std::filesystem::remove_all(folder);
}

TEST(BpeTrainerTest, AVocabularyWithoutRoomForTheBytesIsRefused) {
  BpeOptions options = Options();
  options.vocabulary_size = 257;
  EXPECT_THAT(std::string(TrainByteLevelBpe(Texts(), options).status().message()),
              HasSubstr("vocabulary_size is 257, must be at least 258"));
}

TEST(BpeTrainerTest, ABosThatIsNoSpecialTokenIsRefused) {
  BpeOptions options = Options();
  options.bos = "<s>";
  EXPECT_EQ(TrainByteLevelBpe(Texts(), options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwku::text
