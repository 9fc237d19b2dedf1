#include "worker/engine/model/model_config.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/model/rope.h"

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

json FamilyConfig(const char* family) {
  json fields = GoodConfig();
  fields["model_type"] = family;
  return fields;
}

TEST(ModelConfigTest, FieldsThatAFamilyLeavesOutTakeItsDefaults) {
  json fields = FamilyConfig("mistral");
  fields["num_attention_heads"] = 8;
  fields.erase("num_key_value_heads");
  fields.erase("rms_norm_eps");
  const auto mistral = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(mistral.ok()) << mistral.status();
  EXPECT_EQ(mistral->num_key_value_heads, 8);
  EXPECT_EQ(mistral->sliding_window, 4096);
  EXPECT_EQ(mistral->Window(1), 4096);
  EXPECT_EQ(mistral->max_position_embeddings, 131072);
  fields["model_type"] = "phi3";
  const auto phi3 = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(phi3.ok()) << phi3.status();
  EXPECT_EQ(phi3->rms_norm_eps, 1e-5);
  EXPECT_EQ(phi3->sliding_window, std::nullopt);
  EXPECT_TRUE(phi3->HasFusedProjections());
  fields["model_type"] = "qwen2";
  fields["num_key_value_heads"] = nullptr;
  const auto qwen2 = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(qwen2.ok()) << qwen2.status();
  EXPECT_EQ(qwen2->num_key_value_heads, 8);
  EXPECT_EQ(qwen2->sliding_window, std::nullopt);
  EXPECT_TRUE(qwen2->HasQkvBias());
}

TEST(ModelConfigTest, NullWindowIsNone) {
  json fields = FamilyConfig("mistral");
  fields["sliding_window"] = nullptr;
  const auto config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Window(0), 0);
}

TEST(ModelConfigTest, LayersOfQwen2AreWindowedOneByOne) {
  json fields = FamilyConfig("qwen2");
  fields["use_sliding_window"] = true;
  fields["sliding_window"] = 9;
  fields["max_window_layers"] = 1;
  auto config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Window(0), 0);
  EXPECT_EQ(config->Window(1), 9);
  fields["layer_types"] = {"sliding_attention", "full_attention"};
  config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Window(0), 9);
  EXPECT_EQ(config->Window(1), 0);
}

json LongRopeConfig() {
  json fields = FamilyConfig("phi3");
  fields["max_position_embeddings"] = 64;
  fields["original_max_position_embeddings"] = 16;
  const std::vector<double> ones(8, 1.0);
  const std::vector<double> twos(8, 2.0);
  fields["rope_scaling"] = {{"type", "longrope"}, {"short_factor", ones}, {"long_factor", twos}};
  return fields;
}

TEST(ModelConfigTest, ConfigsOfEveryFamilyAreReadBackAsWritten) {
  json windowed = FamilyConfig("qwen2");
  windowed["use_sliding_window"] = true;
  windowed["layer_types"] = {"sliding_attention", "full_attention"};
  for (const json& fields : {FamilyConfig("mistral"), windowed, FamilyConfig("qwen2"),
                             FamilyConfig("phi3"), LongRopeConfig()}) {
    const auto config = ParseModelConfig(fields.dump(), "config.json");
    ASSERT_TRUE(config.ok()) << config.status();
    const auto again = ParseModelConfig(ModelConfigToJson(*config), "config.json");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(ModelConfigToJson(*again), ModelConfigToJson(*config));
    EXPECT_EQ(again->sliding_window, config->sliding_window);
    EXPECT_EQ(again->rope_scaling.long_factor, config->rope_scaling.long_factor);
    for (int64_t layer = 0; layer < 2; ++layer) {
      EXPECT_EQ(again->Window(layer), config->Window(layer));
    }
  }
}

TEST(ModelConfigTest, SequencesBeyondTheOriginalLengthTakeTheLongFactors) {
  const auto config = ParseModelConfig(LongRopeConfig().dump(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(UsesLongRope(*config, 16));
  EXPECT_TRUE(UsesLongRope(*config, 17));
  EXPECT_EQ(RopeInverseFrequencies(*config, false)[0], 1);
  EXPECT_EQ(RopeInverseFrequencies(*config, true)[0], 0.5);
  EXPECT_NEAR(RopeAttentionFactor(*config), std::sqrt(1.5), 1e-12);
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
        BadField{"UnknownFamily", "model_type", "mamba",
                 "supported are llama, mistral, phi3, qwen2"},
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
        BadField{"PartialRotary", "partial_rotary_factor", 0.75, "allowed is 1"},
        BadField{"LayerTypes", "layer_types", json::array({"full_attention"}), "none for llama"},
        BadField{"ScalingIsText", "rope_scaling", "linear", "no object"}),
    [](const auto& info) { return std::string(info.param.name); });

struct BadFamilyField {
  const char* name;
  json config;
  const char* field;
  json value;
  const char* message;
};

void PrintTo(const BadFamilyField& test, std::ostream* out) { *out << test.name; }

class BadFamilyConfigTest : public testing::TestWithParam<BadFamilyField> {};

TEST_P(BadFamilyConfigTest, IsRefusedWithTheFieldAndWhatIsAllowed) {
  json fields = GetParam().config;
  fields[json::json_pointer(std::string("/") + GetParam().field)] = GetParam().value;
  const auto config = ParseModelConfig(fields.dump(), "config.json");
  ASSERT_FALSE(config.ok());
  const std::string field(GetParam().field);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr(field.substr(field.find('/') + 1)));
  EXPECT_THAT(std::string(config.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFamilyConfigTest,
    testing::Values(
        BadFamilyField{"EmptyWindow", FamilyConfig("mistral"), "sliding_window", 0, "1 to"},
        BadFamilyField{"LayerTypesOfMistral", FamilyConfig("mistral"), "layer_types",
                       json::array({"full_attention", "full_attention"}), "none for mistral"},
        BadFamilyField{"UnknownLayerType", FamilyConfig("qwen2"), "layer_types",
                       json::array({"full_attention", "chunked_attention"}), "sliding_attention"},
        BadFamilyField{"FewLayerTypes", FamilyConfig("qwen2"), "layer_types",
                       json::array({"full_attention"}), "num_hidden_layers"},
        BadFamilyField{"WindowedLayerWithoutWindow", FamilyConfig("qwen2"), "layer_types",
                       json::array({"full_attention", "sliding_attention"}), "use_sliding_window"},
        BadFamilyField{"LongRopeOfLlama", GoodConfig(), "rope_scaling",
                       json{{"rope_type", "longrope"}}, "linear or llama3"},
        BadFamilyField{"LinearOfPhi3", FamilyConfig("phi3"), "rope_scaling",
                       json{{"type", "linear"}, {"factor", 2.0}}, "longrope"},
        BadFamilyField{"FewFactors", LongRopeConfig(), "rope_scaling/short_factor",
                       json::array({1.0}), "half of head_dim"},
        BadFamilyField{"FactorIsText", LongRopeConfig(), "rope_scaling/long_factor",
                       json::array({"1"}), "list of numbers"},
        BadFamilyField{"ZeroFactor", LongRopeConfig(), "rope_scaling/long_factor",
                       std::vector<double>(8, 0.0), "1e-6"},
        BadFamilyField{"AttentionFactor", LongRopeConfig(), "rope_scaling/attention_factor", 1.5,
                       "none"},
        BadFamilyField{"OriginalLengthOne", LongRopeConfig(), "original_max_position_embeddings", 1,
                       "2 or more"},
        BadFamilyField{"BiasOfMistral", FamilyConfig("mistral"), "attention_bias", true, "false"}),
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
