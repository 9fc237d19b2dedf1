// Times one training of a model folder: prints one JSON line with the processor seconds of the
// whole training, reference passes among them, and the loss of each step. Usage: rwku-train-bench
// <folder> <corpus.json> <batch> <epochs> <full|lora> <lm|ga|npo|dpo> corpus.json holds "texts",
// lists of token ids, or "pairs" of them: "prompt" (without the template of number_tokenizer.h),
// "chosen" and "rejected". bench/train_bench.py runs it beside transformers.
#include <cstdio>
#include <ctime>
#include <map>
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

using rwku::engine::Objective;

// Of this process, on all its threads: what other programs do meanwhile does not count.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

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
  if (argc != 7 || !absl::SimpleAtoi(argv[3], &plan.batch_size) ||
      !absl::SimpleAtoi(argv[4], &plan.epochs) || objectives.count(argv[6]) == 0) {
    std::fputs(
        "usage: rwku-train-bench <folder> <corpus.json> <batch> <epochs> <full|lora> "
        "<lm|ga|npo|dpo>\n",
        stderr);
    return 2;
  }
  at::set_num_threads(1);
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
  const double start = ProcessorSeconds();
  const auto trained = rwku::engine::TrainModel(**model, tokenizer, plan, {}, cancel);
  const double seconds = ProcessorSeconds() - start;
  if (!trained.ok()) {
    std::fprintf(stderr, "%s\n", trained.status().ToString().c_str());
    return 1;
  }
  nlohmann::json report = {{"seconds", seconds}};
  for (const rwku::engine::TrainingStep& step : trained->steps) {
    report["losses"].push_back(step.loss);
  }
  std::puts(report.dump().c_str());
  return 0;
}
