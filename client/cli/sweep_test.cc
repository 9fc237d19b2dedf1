#include "client/cli/sweep.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<v1::Method> Known() {
  std::vector<v1::Method> methods;
  const auto add = [&methods](const char* name, const std::vector<std::string>& settings) {
    v1::Method& method = methods.emplace_back();
    method.set_name(name);
    method.mutable_settings()->Add(settings.begin(), settings.end());
  };
  add("original", {});
  add("ga", {"learning_rate", "epochs", "lora", "layers"});
  add("npo", {"learning_rate", "epochs", "lora", "layers", "beta"});
  return methods;
}

absl::StatusOr<std::vector<v1::Recipe>> Expand(const std::vector<std::string>& methods,
                                               const std::vector<std::string>& texts) {
  std::vector<Sweep> sweeps;
  for (const std::string& text : texts) {
    absl::StatusOr<Sweep> sweep = ParseSweep(text);
    if (!sweep.ok()) {
      return sweep.status();
    }
    sweeps.push_back(*std::move(sweep));
  }
  return ExpandSweeps(methods, sweeps, Known());
}

std::vector<std::string> Labels(const std::vector<v1::Recipe>& recipes) {
  std::vector<std::string> labels;
  for (const v1::Recipe& recipe : recipes) {
    labels.push_back(RecipeName(recipe));
  }
  return labels;
}

TEST(SweepTest, EveryCombinationIsARecipeAndWhatDoesNotReadTheKeyStays) {
  const auto recipes =
      Expand({"original", "npo", "ga:lora,epochs=2"}, {"lr=1e-7,3e-7", "beta=0.1,0.2"});
  ASSERT_TRUE(recipes.ok()) << recipes.status();
  EXPECT_THAT(Labels(*recipes),
              ElementsAre("original", "npo lr=1e-07 beta=0.1", "npo lr=1e-07 beta=0.2",
                          "npo lr=3e-07 beta=0.1", "npo lr=3e-07 beta=0.2", "ga-lora lr=1e-07",
                          "ga-lora lr=3e-07"));
  EXPECT_EQ((*recipes)[3].learning_rate(), 3e-7);
  EXPECT_EQ((*recipes)[3].beta(), 0.1);
  EXPECT_EQ((*recipes)[6].epochs(), 2);
  EXPECT_FALSE((*recipes)[6].has_beta());
}

TEST(SweepTest, AdaptersAndLayersBelongToTheirTunings) {
  const auto recipes =
      Expand({"ga:full", "ga:lora,label=small", "ga:partial"}, {"rank=4,8", "layers=0-4,4-8"});
  ASSERT_TRUE(recipes.ok()) << recipes.status();
  EXPECT_THAT(Labels(*recipes),
              ElementsAre("ga-full", "small rank=4 layers=0-4", "small rank=4 layers=4-8",
                          "small rank=8 layers=0-4", "small rank=8 layers=4-8",
                          "ga-partial layers=0-4", "ga-partial layers=4-8"));
}

TEST(SweepTest, FullTuningGoesWithoutSaying) {
  EXPECT_THAT(Labels(*Expand({"ga:full"}, {"lr=1e-7"})), ElementsAre("ga lr=1e-07"));
}

TEST(SweepTest, ValuesKeepAllTheirDigits) {
  const auto recipes = Expand({"ga"}, {"lr=1.23456789e-7,1.2345678e-7"});
  ASSERT_TRUE(recipes.ok()) << recipes.status();
  EXPECT_EQ((*recipes)[0].learning_rate(), 1.23456789e-7);
  EXPECT_EQ((*recipes)[0].label(), "ga lr=1.23456789e-07");
}

TEST(SweepTest, WithoutSweepsRecipesAreWhatTheySay) {
  EXPECT_THAT(Labels(*Expand({"ga", "npo:lora"}, {})), ElementsAre("ga", "npo-lora"));
}

struct BadSweep {
  std::string name;
  std::vector<std::string> sweeps;
  std::string error;
};

class BadSweepTest : public ::testing::TestWithParam<BadSweep> {};

TEST_P(BadSweepTest, IsRefusedWithTheReason) {
  const auto recipes = Expand({"original", "ga,epochs=3"}, GetParam().sweeps);
  EXPECT_EQ(recipes.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(recipes.status().message()),
              ::testing::AllOf(HasSubstr("--sweep"), HasSubstr(GetParam().error)));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadSweepTest,
    ::testing::Values(BadSweep{"NoValues", {"lr"}, "not of the form KEY=VALUE"},
                      BadSweep{"UnknownKey", {"epoch=1"}, "epochs"},
                      BadSweep{"NotANumber", {"lr=1e-7,high"}, "not a number"},
                      BadSweep{"EmptyValue", {"lr=1e-7,"}, "no value"},
                      BadSweep{"SameValue", {"lr=1e-7,0.0000001"}, "1e-07 is there twice"},
                      BadSweep{"SameKey", {"lr=1e-7", "learning_rate=2e-7"}, "swept twice"},
                      BadSweep{"Label", {"label=a,b"}, "cannot be swept"},
                      BadSweep{"SetByTheRecipe", {"epochs=1,2"}, "sets it itself"},
                      BadSweep{"NobodyReads", {"beta=0.1"}, "no --method reads it"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::cli
