#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/methods/family.h"
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
        const auto recipe = ResolveRecipe(request, {family});
        ASSERT_TRUE(recipe.ok()) << recipe.status();
        EXPECT_EQ(recipe->learning_rate, expected.learning_rate);
        EXPECT_EQ(recipe->label, method.name + (expected.tuning == Tuning::kLora      ? "-lora"
                                                : expected.tuning == Tuning::kPartial ? "-partial"
                                                                                      : ""));
      }
    }
  }
}

TEST(MethodsTest, EveryMethodOfTheBenchmarkAndBeyondIsThere) {
  std::vector<std::string> names;
  for (const MethodInfo& method : ListMethods("llama")) {
    names.push_back(method.name);
    const bool trains = method.objective != Objective::kNone;
    EXPECT_EQ(method.defaults.size(), trains ? 3U : 1U) << method.name;
  }
  EXPECT_THAT(names, ElementsAre("original", "icu", "repe", "ga-passage", "ga", "dpo", "npo", "rt",
                                 "memorize", "graddiff", "kl", "simnpo", "rmu", "undial", "wga",
                                 "satimp", "ceu"));
}

TEST(MethodsTest, AdaptersGoToTheProjectionsThatTheFamilyHas) {
  EXPECT_THAT(Families(), ElementsAre("llama", "mistral", "phi3", "qwen2"));
  for (const std::string& family : Families()) {
    for (const std::string& module : DefaultLoraModules(family)) {
      EXPECT_THAT(Projections(family), ::testing::Contains(module));
    }
  }
  const auto phi =
      ResolveRecipe(Request("ga", [](RecipeRequest* r) { r->tuning = Tuning::kLora; }), {"phi3"});
  ASSERT_TRUE(phi.ok()) << phi.status();
  EXPECT_THAT(phi->lora.target_modules, ElementsAre("qkv_proj"));
}

TEST(MethodsTest, BatchesOfTargetsHaveTheirOwnPublishedSettings) {
  const auto of = [](const std::string& method, Tuning tuning) {
    return *ResolveRecipe(Request(method, [&](RecipeRequest* r) { r->tuning = tuning; }),
                          {.family = "llama", .layers = 32, .batch = true});
  };
  EXPECT_EQ(of("ga", Tuning::kFull).learning_rate, 3e-8);
  EXPECT_EQ(of("ga", Tuning::kFull).epochs, 2);
  EXPECT_EQ(of("npo", Tuning::kFull).learning_rate, 1e-6);
  EXPECT_EQ(of("npo", Tuning::kFull).beta, 0.2);
  EXPECT_EQ(of("dpo", Tuning::kFull).learning_rate, 2e-6);
  EXPECT_EQ(of("rt", Tuning::kFull).learning_rate, 1e-7);
  // Nothing is published for adapters and batches.
  EXPECT_EQ(of("ga", Tuning::kLora).learning_rate, 1e-5);
}

TEST(MethodsTest, PartialTuningTrainsTheLayersThatTheModelHas) {
  const auto partial = [](int model_layers, const std::string& layers) {
    return ResolveRecipe(Request("ga",
                                 [&](RecipeRequest* r) {
                                   r->tuning = Tuning::kPartial;
                                   r->layers = layers;
                                 }),
                         {"llama", model_layers});
  };
  EXPECT_EQ(partial(32, "")->layers, (Layers{0, 4}));
  EXPECT_EQ(partial(2, "")->layers, (Layers{0, 2}));
  EXPECT_EQ(partial(32, "28-32")->layers, (Layers{28, 32}));
  EXPECT_EQ(partial(0, "28-32")->layers, (Layers{28, 32}));
  EXPECT_EQ(partial(32, "30-33").status().message(),
            "layers: found 30-33, but the model has 32 layers, counted from 0");
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
                                         {"ga", Tuning::kPartial, 6e-8, 8, 1, 3, 0},
                                         {"ga-passage", Tuning::kFull, 1e-6, 4, 1, 4, 0},
                                         {"ga-passage", Tuning::kLora, 2e-5, 4, 1, 6, 0},
                                         {"dpo", Tuning::kFull, 5e-6, 2, 4, 3, 0.1},
                                         {"dpo", Tuning::kLora, 6e-5, 4, 2, 3, 0.1},
                                         {"rt", Tuning::kFull, 4e-7, 8, 1, 3, 0},
                                         {"rt", Tuning::kLora, 3e-5, 8, 1, 3, 0},
                                         {"simnpo", Tuning::kFull, 1e-5, 8, 4, 10, 4.5},
                                         {"undial", Tuning::kFull, 1e-4, 8, 4, 10, 10},
                                         {"wga", Tuning::kFull, 1e-5, 8, 4, 5, 1},
                                         {"satimp", Tuning::kFull, 1e-5, 8, 4, 10, 5},
                                         {"npo", Tuning::kFull, 2e-6, 16, 1, 3, 0.2},
                                         {"npo", Tuning::kLora, 5e-5, 8, 2, 3, 0.2}}) {
    const auto recipe = ResolveRecipe(
        Request(c.method, [&](RecipeRequest* r) { r->tuning = c.tuning; }), {"llama"});
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
    return ResolveRecipe(Request(method, [](RecipeRequest*) {}), {"llama"})->tuning;
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
  const auto recipe = ResolveRecipe(request, {"llama"});
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

// "| `npo` | lora | 5e-05 | 8 | 2 | 3 | beta 0.2 |"
std::string DocumentedRow(const Recipe& recipe, const ReadSettings& reads, bool batch) {
  std::vector<std::string> others;
  const auto add = [&](bool is_read, absl::string_view name, double value) {
    if (is_read) {
      others.push_back(absl::StrCat(name, " ", value));
    }
  };
  add(reads.beta, "beta", recipe.beta);
  add(reads.beta2, "beta2", recipe.beta2);
  add(reads.margin, "margin", recipe.margin);
  add(reads.strength, "strength", recipe.strength);
  add(recipe.forget_weight != 1, "gamma", recipe.forget_weight);
  if (recipe.retain.term != RetainTerm::kNone) {
    others.push_back(
        absl::StrCat("retain ", RetainTermName(recipe.retain.term), " x ", recipe.retain.weight));
  }
  add(recipe.tuning != Tuning::kNone && recipe.warmup_steps != 20, "warmup", recipe.warmup_steps);
  const std::string start = absl::StrCat("| `", recipe.method, "` | ", TuningName(recipe.tuning),
                                         batch ? ", batch of targets" : "", " | ");
  const std::string end = absl::StrCat(absl::StrJoin(others, ", "), others.empty() ? "|" : " |");
  if (recipe.tuning == Tuning::kNone) {
    return absl::StrCat(start, "| | | | ", end);
  }
  return absl::StrCat(start, recipe.learning_rate, " | ", recipe.batch_size, " | ",
                      recipe.accumulation, " | ", recipe.epochs, " | ", end);
}

TEST(MethodsTest, TheDocumentationHasEveryDefault) {
  const char* const source = std::getenv("RWKU_SOURCE_DIR");
  std::ifstream file(std::string(source == nullptr ? "." : source) + "/docs/methods.md");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(page.empty()) << "no docs/methods.md below RWKU_SOURCE_DIR";
  for (const MethodInfo& method : ListMethods("llama")) {
    for (const Recipe& recipe : method.defaults) {
      EXPECT_THAT(page, HasSubstr(DocumentedRow(recipe, method.reads, false) + "\n"));
    }
    for (const Recipe& recipe : method.batch_defaults) {
      EXPECT_THAT(page, HasSubstr(DocumentedRow(recipe, method.reads, true) + "\n"));
    }
  }
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
      ResolveRecipe(Request(GetParam().method, GetParam().change), {"llama", 32}, &errors);
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
         "tuning: found none, allowed for ga: full, lora, partial"},
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
         "lora.target_modules: found \"q_proj\" twice, allowed: each once"},
        {"UnknownModule", "ga",
         [](RecipeRequest* r) {
           r->tuning = Tuning::kLora;
           r->lora = LoraRequest{{}, {}, {"q_prj"}};
         },
         "lora.target_modules: unknown projection \"q_prj\"; did you mean \"q_proj\""},
        {"LayersOfFull", "ga", [](RecipeRequest* r) { r->layers = "0-4"; },
         "layers: is not used by ga with tuning full"},
        {"LayersBackwards", "ga",
         [](RecipeRequest* r) {
           r->tuning = Tuning::kPartial;
           r->layers = "4-4";
         },
         "layers: found \"4-4\", allowed: A-B with A below B"},
        {"LayerOfRmu", "rmu", [](RecipeRequest* r) { r->layer = 32; },
         "layer: found 32, but the model has 32 layers"},
        {"LayerOfGa", "ga", [](RecipeRequest* r) { r->layer = 1; },
         "layer: is not used by ga with tuning full"},
        {"Strength", "repe", [](RecipeRequest* r) { r->strength = 0; },
         "strength: found 0, allowed: above 0"},
        {"Margin", "simnpo", [](RecipeRequest* r) { r->margin = 101; },
         "margin: found 101, allowed: -100 to 100"},
        {"Beta2", "satimp", [](RecipeRequest* r) { r->beta2 = -1; },
         "beta2: found -1, allowed: 0 to 100"},
        {"RetainOfDpo", "dpo",
         [](RecipeRequest* r) { r->retain = RetainRequest{RetainTerm::kNll, {}, {}}; },
         "retain: is not used by dpo with tuning full"},
        {"RetainWeightOfNone", "undial",
         [](RecipeRequest* r) { r->retain = RetainRequest{{}, 2.0, {}}; },
         "retain.weight: is not used without a retain term"},
        {"RetainWeight", "graddiff",
         [](RecipeRequest* r) { r->retain = RetainRequest{{}, 0.0, {}}; },
         "retain.weight: found 0, allowed: above 0"},
        {"HiddenRetain", "kl",
         [](RecipeRequest* r) { r->retain = RetainRequest{RetainTerm::kHidden, {}, {}}; },
         "retain.term: found hidden, which only rmu has"},
        {"ForgetWeight", "ga", [](RecipeRequest* r) { r->forget_weight = 2; },
         "forget_weight: is not used by ga with tuning full"},
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
                                    {"llama"}, &errors);
  EXPECT_FALSE(recipe.ok());
  EXPECT_THAT(errors, SizeIs(2));
  ASSERT_TRUE(ResolveRecipe(Request("ga", [](RecipeRequest*) {}), {"llama"}, &errors).ok());
  EXPECT_THAT(errors, IsEmpty());
}

}  // namespace
}  // namespace rwku::methods
