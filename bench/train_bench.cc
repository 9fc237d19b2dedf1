// Times training steps of a model folder: prints one JSON line with the processor seconds and the
// loss of each step. Usage: rwku-train-bench <folder> <texts.json> <batch> <steps> <full|lora>
// texts.json holds lists of token ids. bench/train_bench.py runs it beside transformers.
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace {

// Of this process, on all its threads: what other programs do meanwhile does not count.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int main(int argc, char** argv) {
  rwku::engine::TrainingPlan plan;
  int steps = 0;
  if (argc != 6 || !absl::SimpleAtoi(argv[3], &plan.batch_size) ||
      !absl::SimpleAtoi(argv[4], &steps)) {
    std::fputs("usage: rwku-train-bench <folder> <texts.json> <batch> <steps> <full|lora>\n",
               stderr);
    return 2;
  }
  at::set_num_threads(1);
  const auto model = rwku::engine::LoadCausalLm(argv[1], at::kCPU);
  const auto json = rwku::ReadFile(argv[2]);
  if (!model.ok() || !json.ok()) {
    const absl::Status status = model.ok() ? json.status() : model.status();
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  for (const nlohmann::json& ids : nlohmann::json::parse(*json)) {
    plan.texts.push_back(absl::StrJoin(ids.get<std::vector<int32_t>>(), " "));
  }
  plan.trained = absl::string_view(argv[5]) == "lora" ? rwku::engine::TrainedWeights::kLora
                                                      : rwku::engine::TrainedWeights::kFull;
  plan.learning_rate = 1e-4;
  plan.warmup_steps = 2;
  plan.epochs = steps * plan.batch_size / static_cast<int>(plan.texts.size());
  const auto vocabulary = static_cast<int>((*model)->config().vocab_size);
  const rwku::engine::NumberTokenizer tokenizer(vocabulary, /*eos_id=*/4);
  const rwku::CancelToken cancel;
  nlohmann::json report;
  double start = ProcessorSeconds();
  const auto trained = rwku::engine::TrainModel(**model, tokenizer, plan,
                                                {.on_step =
                                                     [&](const rwku::engine::TrainingStep& step) {
                                                       const double now = ProcessorSeconds();
                                                       report["seconds"].push_back(now - start);
                                                       report["losses"].push_back(step.loss);
                                                       start = now;
                                                     },
                                                 .on_epoch = nullptr},
                                                cancel);
  if (!trained.ok()) {
    std::fprintf(stderr, "%s\n", trained.status().ToString().c_str());
    return 1;
  }
  std::puts(report.dump().c_str());
  return 0;
}
