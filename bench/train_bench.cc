// Times one training of a model folder: prints one JSON line with the seconds of the whole training
// ("seconds" of processor time, "wall_seconds"), reference passes among them, the peak memory, and
// the loss of each step. Usage:
//   rwku-train-bench <folder> <corpus.json> <batch> <epochs> <full|lora> <lm|ga|npo|dpo>
//   [threads=N]
// corpus.json holds "texts", lists of token ids, or "pairs" of them: "prompt" (without the template
// of number_tokenizer.h), "chosen" and "rejected". One thread unless said otherwise.
// bench/train_bench.py runs it beside transformers, bench/real_train_bench.py with a real model.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "bench/stopwatch.h"
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace {

using rwku::engine::Objective;

std::string Words(const nlohmann::json& ids) {
  return absl::StrJoin(ids.get<std::vector<int32_t>>(), " ");
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, Objective> objectives = {{"lm", Objective::kCausalLm},
                                                       {"ga", Objective::kGradientAscent},
                                                       {"npo", Objective::kNpo},
                                                       {"dpo", Objective::kDpo}};
  rwku::engine::TrainingPlan plan;
  int threads = 1;
  absl::string_view last = argc == 8 ? argv[7] : "threads=1";
  if (argc < 7 || argc > 8 || !absl::SimpleAtoi(argv[3], &plan.batch_size) ||
      !absl::SimpleAtoi(argv[4], &plan.epochs) || objectives.count(argv[6]) == 0 ||
      !absl::ConsumePrefix(&last, "threads=") || !absl::SimpleAtoi(last, &threads) || threads < 1) {
    std::fputs(
        "usage: rwku-train-bench <folder> <corpus.json> <batch> <epochs> <full|lora> "
        "<lm|ga|npo|dpo> [threads=N]\n",
        stderr);
    return 2;
  }
  at::set_num_threads(threads);
  const auto model = rwku::engine::LoadCausalLm(argv[1], at::kCPU);
  const auto file = rwku::ReadFile(argv[2]);
  if (!model.ok() || !file.ok()) {
    const absl::Status status = model.ok() ? file.status() : model.status();
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  const nlohmann::json corpus = nlohmann::json::parse(*file);
  if (corpus.contains("texts")) {
    for (const nlohmann::json& ids : corpus["texts"]) {
      plan.texts.push_back(Words(ids));
    }
  } else {
    for (const nlohmann::json& pair : corpus["pairs"]) {
      plan.pairs.push_back({Words(pair["prompt"]), Words(pair["chosen"]), Words(pair["rejected"])});
    }
  }
  plan.objective = objectives.at(argv[6]);
  plan.trained = absl::string_view(argv[5]) == "lora" ? rwku::engine::TrainedWeights::kLora
                                                      : rwku::engine::TrainedWeights::kFull;
  plan.beta = plan.objective == Objective::kDpo ? 0.1 : 0.2;
  plan.learning_rate = 1e-4;
  plan.warmup_steps = 2;
  const auto vocabulary = static_cast<int>((*model)->config().vocab_size);
  const rwku::engine::NumberTokenizer tokenizer(vocabulary, /*eos_id=*/4);
  const rwku::CancelToken cancel;
  const rwku::bench::Stopwatch watch;
  const auto trained = rwku::engine::TrainModel(**model, tokenizer, plan, {}, cancel);
  nlohmann::json report = {{"seconds", watch.ProcessorSeconds()},
                           {"wall_seconds", watch.WallSeconds()},
                           {"peak_memory_bytes", rwku::bench::PeakMemoryBytes()}};
  if (!trained.ok()) {
    std::fprintf(stderr, "%s\n", trained.status().ToString().c_str());
    return 1;
  }
  for (const rwku::engine::TrainingStep& step : trained->steps) {
    report["losses"].push_back(step.loss);
  }
  std::puts(report.dump().c_str());
  return 0;
}
