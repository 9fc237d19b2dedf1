// Loading and saving of models, where the files and the config do not fit together.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {
namespace {

using testing::HasSubstr;

ModelConfig TinyConfig() {
  ModelConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  config.vocab_size = 50;
  return config;
}

class CausalLmIoTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              absl::StrCat("causal_lm_io_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    ASSERT_TRUE(SaveCausalLm(*CausalLm::Random(TinyConfig(), 1, 0.1), folder_).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::Status LoadWith(const ModelConfig& config) {
    EXPECT_TRUE(WriteFileAtomically(folder_ / "config.json", ModelConfigToJson(config)).ok());
    return LoadCausalLm(folder_, at::kCPU).status();
  }

  std::filesystem::path folder_;
};

TEST_F(CausalLmIoTest, ConfigOfAHugeModelIsRefusedBeforeItsMemoryIsTaken) {
  ModelConfig config = TinyConfig();
  config.hidden_size = 1 << 17;
  config.vocab_size = 1 << 22;
  const absl::Status status = LoadWith(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'model.embed_tokens.weight' has shape"));
}

TEST_F(CausalLmIoTest, MissingLayerIsNamed) {
  ModelConfig config = TinyConfig();
  config.num_hidden_layers = 3;
  const absl::Status status = LoadWith(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'model.layers.2."));
}

TEST_F(CausalLmIoTest, LayerTooManyIsNamed) {
  ModelConfig config = TinyConfig();
  config.num_hidden_layers = 1;
  const absl::Status status = LoadWith(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("belongs to no part"));
}

TEST(ProjectionNamesTest, AreThoseOfTheFamily) {
  const std::vector<std::string> apart = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                          "gate_proj", "up_proj", "down_proj"};
  const std::vector<std::string> fused = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"};
  for (const char* const family : {"llama", "mistral", "phi3", "qwen2"}) {
    ModelConfig config = TinyConfig();
    config.model_type = family;
    CausalLm model(config, at::kMeta);
    const bool is_fused = config.HasFusedProjections();
    EXPECT_EQ(is_fused, std::string(family) == "phi3");
    EXPECT_EQ(model.ProjectionNames(), is_fused ? fused : apart) << family;
    EXPECT_EQ(model.NamedLinears().size(), 2 * model.ProjectionNames().size() + 1) << family;
    int64_t parameters = 0;
    for (const auto& [name, parameter] : model.NamedParameters()) {
      parameters += parameter.numel();
    }
    EXPECT_EQ(parameters, config.ParameterCount()) << family;
  }
}

}  // namespace
}  // namespace rwku::engine
