#include "tools/synth/tiny_model.h"

#include <unistd.h>

#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "text/tokenizer.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;

class TinyModelTest : public testing::Test {
 protected:
  TinyModelTest()
      : folder_(fs::path(testing::TempDir()) / ("tiny_model_test." + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~TinyModelTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(TinyModelTest, LearnsAndIsTheSameForTheSameSeed) {
  const World world = MakeWorld(7, 2).value();
  TinyModelOptions options;
  options.steps = 100;
  options.threads = 1;
  std::vector<double> losses;
  const auto collect = [&losses](const TinyModelProgress& progress) {
    losses.push_back(progress.loss);
  };
  const absl::Status made = MakeTinyModel(world, options, collect, folder_ / "a");
  ASSERT_TRUE(made.ok()) << made;
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_LT(losses[1], losses[0] - 1);
  ASSERT_TRUE(MakeTinyModel(world, options, collect, folder_ / "b").ok());
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"}) {
    EXPECT_EQ(ReadFile(folder_ / "a" / file).value(), ReadFile(folder_ / "b" / file).value())
        << file;
  }
}

TEST_F(TinyModelTest, ChatTemplateIsLlama3s) {
  const World world = MakeWorld(7, 1).value();
  TinyModelOptions options;
  options.steps = 1;
  ASSERT_TRUE(MakeTinyModel(
                  world, options, [](const TinyModelProgress&) {}, folder_ / "m")
                  .ok());
  const auto tokenizer = text::Tokenizer::Load(folder_ / "m");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->ApplyChatTemplate({{"user", "Hi\n"}}, true).value(),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  const auto ids = (*tokenizer)->Encode("<|begin_of_text|>x", true);
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ((*ids)[0], 0);
  EXPECT_EQ((*ids)[1], 0);
  EXPECT_EQ((*tokenizer)->eos_id(), 4);
}

TEST_F(TinyModelTest, RefusesAFolderThatExists) {
  const World world = MakeWorld(7, 1).value();
  EXPECT_EQ(MakeTinyModel(
                world, {}, [](const TinyModelProgress&) {}, folder_)
                .code(),
            absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace rwku::synth
