#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/methods/registry.h"
#include "benchmark/methods/resolve.h"

namespace rwku::methods {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RecipeRequest Request(const std::string& method,
                      const std::function<void(RecipeRequest*)>& change) {
  RecipeRequest request;
  request.method = method;
  change(&request);
  return request;
}

TEST(MethodsTest, EveryDefaultResolvesToItself) {
  for (const char* family : {"llama", "phi3", "something else"}) {
    for (const MethodInfo& method : ListMethods(family)) {
      EXPECT_FALSE(method.summary.empty());
      EXPECT_FALSE(method.formula.empty());
      ASSERT_FALSE(method.defaults.empty());
      EXPECT_EQ(method.corpus.empty(), method.objective == Objective::kNone);
      for (const Recipe& expected : method.defaults) {
        RecipeRequest request;
        request.method = method.name;
        request.tuning = expected.tuning;
        const auto recipe = ResolveRecipe(request, family);
        ASSERT_TRUE(recipe.ok()) << recipe.status();
        EXPECT_EQ(recipe->learning_rate, expected.learning_rate);
        EXPECT_EQ(recipe->label, method.name + (expected.tuning == Tuning::kLora ? "-lora" : ""));
      }
    }
  }
}

TEST(MethodsTest, FamiliesAreThoseWithDefaultsOfTheirOwn) {
  EXPECT_THAT(Families(), ElementsAre("llama"));
}

TEST(MethodsTest, TheDefaultsAreThePublishedOnes) {
  struct Case {
    std::string method;
    Tuning tuning;
    double learning_rate;
    int batch_size;
    int accumulation;
    int epochs;
    double beta;
  };
  for (const Case& c : std::vector<Case>{{"ga", Tuning::kFull, 6e-8, 8, 1, 3, 0},
                                         {"ga", Tuning::kLora, 1e-5, 8, 1, 3, 0},
                                         {"npo", Tuning::kFull, 2e-6, 16, 1, 3, 0.2},
                                         {"npo", Tuning::kLora, 5e-5, 8, 2, 3, 0.2}}) {
    const auto recipe =
        ResolveRecipe(Request(c.method, [&](RecipeRequest* r) { r->tuning = c.tuning; }), "llama");
    ASSERT_TRUE(recipe.ok()) << recipe.status();
    EXPECT_EQ(recipe->learning_rate, c.learning_rate);
    EXPECT_EQ(recipe->batch_size, c.batch_size);
    EXPECT_EQ(recipe->accumulation, c.accumulation);
    EXPECT_EQ(recipe->epochs, c.epochs);
    EXPECT_EQ(recipe->beta, c.beta);
    EXPECT_EQ(recipe->warmup_steps, 20);
    EXPECT_EQ(recipe->max_gradient_norm, 1.0);
    EXPECT_EQ(recipe->cutoff_tokens, 512);
    EXPECT_EQ(recipe->lora.rank, 8);
    EXPECT_EQ(recipe->lora.alpha, 16);
    EXPECT_THAT(recipe->lora.target_modules, ElementsAre("q_proj", "v_proj"));
  }
}

TEST(MethodsTest, UnsetTuningIsFullWhereSomethingTrainsAndNoneElsewhere) {
  const auto tuning = [](const std::string& method) {
    return ResolveRecipe(Request(method, [](RecipeRequest*) {}), "llama")->tuning;
  };
  EXPECT_EQ(tuning("original"), Tuning::kNone);
  EXPECT_EQ(tuning("icu"), Tuning::kNone);
  EXPECT_EQ(tuning("ga"), Tuning::kFull);
  EXPECT_EQ(tuning("npo"), Tuning::kFull);
}

TEST(MethodsTest, WhatIsSetIsTaken) {
  RecipeRequest request;
  request.method = "npo";
  request.tuning = Tuning::kLora;
  request.lora = LoraRequest{4, 8.0, {"o_proj"}};
  request.learning_rate = 1.0;
  request.batch_size = 4096;
  request.accumulation = 3;
  request.epochs = 1000;
  request.warmup_steps = 0;
  request.beta = 100;
  request.max_gradient_norm = 1e9;
  request.cutoff_tokens = 2;
  request.max_texts = 40;
  request.label = "npo α";
  const auto recipe = ResolveRecipe(request, "llama");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->lora.rank, 4);
  EXPECT_EQ(recipe->lora.alpha, 8);
  EXPECT_THAT(recipe->lora.target_modules, ElementsAre("o_proj"));
  EXPECT_EQ(recipe->learning_rate, 1.0);
  EXPECT_EQ(recipe->batch_size, 4096);
  EXPECT_EQ(recipe->accumulation, 3);
  EXPECT_EQ(recipe->epochs, 1000);
  EXPECT_EQ(recipe->warmup_steps, 0);
  EXPECT_EQ(recipe->beta, 100);
  EXPECT_EQ(recipe->max_gradient_norm, 1e9);
  EXPECT_EQ(recipe->cutoff_tokens, 2);
  EXPECT_EQ(recipe->max_texts, 40);
  EXPECT_EQ(recipe->label, "npo α");
}

struct WrongCase {
  std::string name;
  std::string method;
  std::function<void(RecipeRequest*)> change;
  std::string message;
};

class WrongRecipeTest : public testing::TestWithParam<WrongCase> {};

TEST_P(WrongRecipeTest, IsRefusedByField) {
  std::vector<FieldError> errors;
  const auto recipe =
      ResolveRecipe(Request(GetParam().method, GetParam().change), "llama", &errors);
  EXPECT_EQ(recipe.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(recipe.status().message()), HasSubstr(GetParam().message));
  ASSERT_THAT(errors, SizeIs(1));
  EXPECT_EQ(recipe.status().message(), errors[0].field + ": " + errors[0].description);
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongRecipeTest,
    testing::ValuesIn(std::vector<WrongCase>{
        {"Method", "gaa", [](RecipeRequest*) {},
         "method: unknown method \"gaa\"; did you mean \"ga\""},
        {"Tuning", "icu", [](RecipeRequest* r) { r->tuning = Tuning::kLora; },
         "tuning: found lora, allowed for icu: none"},
        {"NoTuning", "ga", [](RecipeRequest* r) { r->tuning = Tuning::kNone; },
         "tuning: found none, allowed for ga: full, lora"},
        {"NegativeRate", "ga", [](RecipeRequest* r) { r->learning_rate = -1; },
         "learning_rate: found -1, allowed: above 0 and at most 1"},
        {"ZeroRate", "ga", [](RecipeRequest* r) { r->learning_rate = 0; }, "learning_rate: found 0"},
        {"NanRate", "ga", [](RecipeRequest* r) { r->learning_rate = std::nan(""); },
         "learning_rate: found nan"},
        {"InfiniteNorm", "ga", [](RecipeRequest* r) { r->max_gradient_norm = INFINITY; },
         "max_gradient_norm: found inf, allowed: above 0"},
        {"Batch", "ga", [](RecipeRequest* r) { r->batch_size = 0; },
         "batch_size: found 0, allowed: 1 to 4096"},
        {"Accumulation", "ga", [](RecipeRequest* r) { r->accumulation = 4097; },
         "accumulation: found 4097, allowed: 1 to 4096"},
        {"Epochs", "ga", [](RecipeRequest* r) { r->epochs = 1001; }, "allowed: 1 to 1000"},
        {"Warmup", "ga", [](RecipeRequest* r) { r->warmup_steps = -1; }, "allowed: 0 to 100000"},
        {"Cutoff", "ga", [](RecipeRequest* r) { r->cutoff_tokens = 1; }, "allowed: 2 to 131072"},
        {"Texts", "ga", [](RecipeRequest* r) { r->max_texts = 1000001; },
         "allowed: 0 to 1000000"},
        {"Beta", "npo", [](RecipeRequest* r) { r->beta = 101; },
         "beta: found 101, allowed: above 0 and at most 100"},
        {"BetaOfGa", "ga", [](RecipeRequest* r) { r->beta = 0.1; },
         "beta: is not used by ga with tuning full"},
        {"RateOfIcu", "icu", [](RecipeRequest* r) { r->learning_rate = 0.1; },
         "learning_rate: is not used by icu"},
        {"LoraOfFull", "ga", [](RecipeRequest* r) { r->lora = LoraRequest{}; },
         "lora: is not used by ga with tuning full"},
        {"Rank", "ga",
         [](RecipeRequest* r) {
           r->tuning = Tuning::kLora;
           r->lora = LoraRequest{1025, {}, {}};
         },
         "lora.rank: found 1025, allowed: 1 to 1024"},
        {"Module", "ga",
         [](RecipeRequest* r) {
           r->tuning = Tuning::kLora;
           r->lora = LoraRequest{{}, {}, {"q_proj", "q_proj"}};
         },
         "lora.target_modules: found \"q_proj\", allowed: names of projections"},
        {"Label", "ga", [](RecipeRequest* r) { r->label = "a\nb"; },
         "label: found 3 bytes with control characters"}}),
    [](const testing::TestParamInfo<WrongCase>& info) { return info.param.name; });

TEST(MethodsTest, AllProblemsAreToldAtOnce) {
  std::vector<FieldError> errors;
  const auto recipe = ResolveRecipe(Request("ga",
                                            [](RecipeRequest* r) {
                                              r->epochs = 0;
                                              r->beta = 1;
                                            }),
                                    "llama", &errors);
  EXPECT_FALSE(recipe.ok());
  EXPECT_THAT(errors, SizeIs(2));
  ASSERT_TRUE(ResolveRecipe(Request("ga", [](RecipeRequest*) {}), "llama", &errors).ok());
  EXPECT_THAT(errors, IsEmpty());
}

}  // namespace
}  // namespace rwku::methods
