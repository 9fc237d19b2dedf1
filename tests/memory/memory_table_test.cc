// Every answer of the memory planner that a user may meet, against a table that is kept.
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include <gtest/gtest.h>

#include "base/file.h"
#include "benchmark/methods/registry.h"
#include "tests/memory/planned_training.h"
#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/memory/testing_model_shapes.h"

namespace rwku {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

struct Card {
  const char* name;
  int64_t bytes;
};

// As nvidia-smi gives the memory of an L4, an A100, an H100 and an H200.
constexpr Card kCards[] = {{"24 GB", 23'034 * kMiB},
                           {"40 GB", 40'536 * kMiB},
                           {"80 GB", 81'559 * kMiB},
                           {"141 GB", 143'771 * kMiB}};

struct Model {
  const char* name;
  engine::ModelConfig config;
};

std::vector<Model> Models() {
  return {{"Llama-3-8B", engine::Llama8B()},
          {"Phi-3-mini (3.8B)", engine::Phi3Mini()},
          {"Llama-3.2-1B", engine::Llama1B()}};
}

std::string Cell(const engine::ChosenMemoryPlan& chosen, const char* mark) {
  return absl::StrFormat("%s%d:%.1f", mark, chosen.plan.micro_batch_texts,
                         static_cast<double>(engine::TotalBytes(chosen.plan)) / 1e9);
}

std::string PlanCell(const methods::MethodInfo& method, const methods::Recipe& recipe,
                     const Model& model, const Card& card, int ranks) {
  const auto on_device = PlanOnCard(method, recipe, model.config, card.bytes, ranks, false);
  if (!on_device.ok()) {
    return std::string(on_device.status().message());
  }
  if (on_device->chosen.ok()) {
    return Cell(*on_device->chosen, "");
  }
  // Never RESOURCE_EXHAUSTED: nobody else is on the card.
  EXPECT_EQ(on_device->chosen.status().code(), absl::StatusCode::kInvalidArgument);
  const auto on_host = PlanOnCard(method, recipe, model.config, card.bytes, ranks, true);
  return on_host.ok() && on_host->chosen.ok() ? Cell(*on_host->chosen, "h") : "-";
}

std::string Table() {
  std::string text =
      "What the memory planner answers, in bfloat16; checked by "
      "tests/memory/memory_table_test.cc.\n"
      "A cell is `items that pass through the model at once : GB of the card`, \"h\" before it "
      "where\n"
      "float32 weights and moments have to lie on the host, \"-\" where nothing fits. Several "
      "ranks\n"
      "share them and the batch. Items are of typical length: 330 tokens, pairs 820, refusals 75,\n"
      "passages 512.\n";
  for (const Model& model : Models()) {
    absl::StrAppend(&text, "\n", model.name, "\n");
    absl::StrAppend(&text, absl::StrFormat("%-20s", "method tuning"));
    for (const Card& card : kCards) {
      for (const int ranks : {1, 4, 8}) {
        absl::StrAppend(&text, absl::StrFormat("%11s", absl::StrCat(ranks, "x", card.name)));
      }
    }
    absl::StrAppend(&text, "\n");
    for (const methods::MethodInfo& method : methods::ListMethods(model.config.model_type)) {
      for (const methods::Recipe& recipe : method.defaults) {
        if (recipe.tuning == methods::Tuning::kNone) {
          continue;  // nothing trains
        }
        absl::StrAppend(&text,
                        absl::StrFormat("%-20s", absl::StrCat(method.name, " ",
                                                              methods::TuningName(recipe.tuning))));
        for (const Card& card : kCards) {
          for (const int ranks : {1, 4, 8}) {
            absl::StrAppend(&text,
                            absl::StrFormat("%11s", PlanCell(method, recipe, model, card, ranks)));
          }
        }
        absl::StrAppend(&text, "\n");
      }
    }
  }
  absl::StrAppend(&text,
                  "\nAnswering: GB of keys and values, sequences together, tokens of a prefill\n");
  absl::StrAppend(&text, absl::StrFormat("%-20s", "model"));
  for (const Card& card : kCards) {
    absl::StrAppend(&text, absl::StrFormat("%16s", card.name));
  }
  absl::StrAppend(&text, "\n");
  for (const Model& model : Models()) {
    absl::StrAppend(&text, absl::StrFormat("%-20s", model.name));
    for (const Card& card : kCards) {
      engine::InferenceFacts facts;
      facts.config = model.config;
      facts.on_gpu = true;
      facts.compute_bytes = 2;
      facts.device_bytes = card.bytes;
      facts.available_bytes = engine::AvailableForAnswering(facts);
      const auto plan = engine::PlanInference(facts);
      absl::StrAppend(
          &text, absl::StrFormat(
                     "%16s", plan.ok() ? absl::StrFormat("%.1f %d %d",
                                                         static_cast<double>(plan->kv_bytes) / 1e9,
                                                         plan->decode_batch, plan->prefill_tokens)
                                       : "-"));
    }
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppend(
      &text,
      "\nMemory of the host in GiB: on a GPU, the same with float32 weights and moments\n"
      "on the host, on a processor for adapters, and for all tunings\n");
  absl::StrAppend(
      &text, absl::StrFormat("%-20s%8s%8s%10s%8s\n", "model", "GPU", "GPU, h", "adapters", "all"));
  std::vector<Model> models = Models();
  models.push_back({"SmolLM2-135M", engine::SmolLm135M()});
  for (const Model& model : models) {
    const auto gib = [&](const std::vector<methods::Tuning>& tunings, int64_t card, bool on_host) {
      return static_cast<double>(LargestHostNeed(model.config, tunings, card, on_host)) /
             static_cast<double>(int64_t{1} << 30);
    };
    const int64_t card = kCards[3].bytes;
    absl::StrAppend(
        &text,
        absl::StrFormat("%-20s%8.1f%8.1f%10.1f%8.1f\n", model.name, gib(EveryTuning(), card, false),
                        gib(EveryTuning(), card, true), gib({methods::Tuning::kLora}, 0, false),
                        gib(EveryTuning(), 0, false)));
  }
  return text;
}

TEST(MemoryTableTest, AnswersAreThoseOfTheTable) {
  const std::string path = absl::StrCat(RWKU_MEMORY_TESTS, "/memory_table.txt");
  const std::string kept = ReadFile(path).value_or(std::string());
  const std::string now = Table();
  if (now == kept) {
    return;
  }
  const std::string written = absl::StrCat(::testing::TempDir(), "/memory_table.txt");
  std::ofstream(written) << now;
  const std::vector<std::string> before = absl::StrSplit(kept, '\n');
  const std::vector<std::string> after = absl::StrSplit(now, '\n');
  for (size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
    const std::string was = i < before.size() ? before[i] : "";
    const std::string is = i < after.size() ? after[i] : "";
    EXPECT_EQ(is, was) << "line " << i + 1;
  }
  ADD_FAILURE() << "the planner's answers differ from " << path << "; if that is meant, copy "
                << written << " there";
}

}  // namespace
}  // namespace rwku
