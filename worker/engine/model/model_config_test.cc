#include "worker/engine/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rwku::engine {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json GoodConfig() {
  return json::parse(R"({"model_type":"llama","hidden_size":64,"intermediate_size":160,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":320,
    "rms_norm_eps":1e-5,"rope_theta":500000.0,"eos_token_id":[4,1]})");
}

TEST(ModelConfigTest, MissingFieldsTakeTheDefaultsOfTransformers) {
  const auto config = ParseModelConfig(GoodConfig().dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->max_position_embeddings, 2048);
  EXPECT_FALSE(config->tie_word_embeddings);
  EXPECT_THAT(config->eos_token_ids, testing::ElementsAre(4, 1));
}

TEST(ModelConfigTest, WrittenConfigIsReadBack) {
  json fields = GoodConfig();
  fields["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  const auto config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto again = ParseModelConfig(ModelConfigToJson(*config), "config.json");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ModelConfigToJson(*again), ModelConfigToJson(*config));
  EXPECT_EQ(again->rope_scaling.type, RopeScalingType::kLlama3);
}

TEST(ModelConfigTest, RopeParametersOfNewerFilesAreRead) {
  json fields = GoodConfig();
  fields["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 7.0}};
  const auto config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_theta, 7.0);
  EXPECT_EQ(config->rope_scaling.type, RopeScalingType::kLinear);
}

struct BadField {
  const char* name;
  const char* field;
  json value;  // null removes the field
  const char* message;
};

void PrintTo(const BadField& test, std::ostream* out) { *out << test.name; }

class BadModelConfigTest : public testing::TestWithParam<BadField> {};

TEST_P(BadModelConfigTest, IsRefusedWithTheFieldAndWhatIsAllowed) {
  json fields = GoodConfig();
  fields[GetParam().field] = GetParam().value;
  const auto config = ParseModelConfig(fields.dump(), "some/config.json");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(config.status().message());
  EXPECT_THAT(message, HasSubstr("some/config.json"));
  EXPECT_THAT(message, HasSubstr(GetParam().field));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadModelConfigTest,
    testing::Values(
        BadField{"UnknownFamily", "model_type", "mamba", "supported is llama"},
        BadField{"NoHiddenSize", "hidden_size", nullptr, "missing"},
        BadField{"NegativeLayers", "num_hidden_layers", -1, "1 to"},
        BadField{"HugeVocabulary", "vocab_size", int64_t{1} << 40, "1 to"},
        BadField{"TextForNumber", "vocab_size", "320", "whole number"},
        BadField{"FractionForWhole", "vocab_size", 1.5, "whole number"},
        BadField{"ListForNumber", "vocab_size", json::array({320}), "is a list"},
        BadField{"HeadsNotDivisible", "num_key_value_heads", 3, "divisors"},
        BadField{"ZeroHeads", "num_attention_heads", 0, "1 to"},
        BadField{"OddHeadDim", "head_dim", 15, "even"},
        BadField{"Gelu", "hidden_act", "gelu", "silu"},
        BadField{"AttentionBias", "attention_bias", true, "false"},
        BadField{"MlpBias", "mlp_bias", true, "false"},
        BadField{"NegativeTheta", "rope_theta", -1.0, "1 to"},
        BadField{"Yarn", "rope_scaling", json{{"rope_type", "yarn"}}, "linear or llama3"},
        BadField{"ScalingWithoutFactor", "rope_scaling", json{{"type", "linear"}}, "missing"},
        BadField{"ScalingIsText", "rope_scaling", "linear", "no object"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ModelConfigTest, DeepNestingIsRefused) {
  const std::string deep =
      R"({"model_type": "llama", "hidden_size": )" + std::string(200000, '[') + "}";
  const std::string closed = R"({"model_type": "llama", "hidden_size": )" +
                             std::string(200000, '[') + std::string(200000, ']') + "}";
  for (const std::string& text : {deep, closed}) {
    const auto config = ParseModelConfig(text, "config.json");
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("nested deeper than 64"));
  }
}

TEST(ModelConfigTest, NoJsonIsRefused) {
  EXPECT_EQ(ParseModelConfig("{", "config.json").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseModelConfig("[]", "config.json").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwku::engine
