// Times one training through the engine: prints one JSON line with the processor seconds of the
// whole training and of each step, and the loss of each step.
// Usage: rwku-train-bench <model folder> <plan.json>
// plan.json: {"objective": "ga" | "npo" | "dpo" | "lm", "tuning": "full" | "lora", "batch": N,
// "epochs": N, "learning_rate": X, "warmup": N, "beta": X, "items": texts, or of dpo
// [prompt, chosen, rejected]}. bench/train_bench.py runs it beside transformers, peft and trl.
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/engine.h"
#include "worker/engine/torch_engine.h"

namespace {

using nlohmann::json;
using rwku::engine::Objective;
using rwku::engine::TrainingPlan;

// Of this process, on all its threads: what other programs do meanwhile does not count.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

TrainingPlan PlanOf(const json& settings) {
  TrainingPlan plan;
  const auto objective = settings.at("objective").get<std::string>();
  plan.objective = objective == "ga"    ? Objective::kGradientAscent
                   : objective == "npo" ? Objective::kNpo
                   : objective == "dpo" ? Objective::kDpo
                                        : Objective::kCausalLm;
  plan.trained = settings.at("tuning") == "lora" ? rwku::engine::TrainedWeights::kLora
                                                 : rwku::engine::TrainedWeights::kFull;
  plan.batch_size = settings.at("batch").get<int>();
  plan.epochs = settings.at("epochs").get<int>();
  plan.learning_rate = settings.at("learning_rate").get<double>();
  plan.warmup_steps = settings.at("warmup").get<int>();
  plan.beta = settings.at("beta").get<double>();
  for (const json& item : settings.at("items")) {
    if (plan.objective == Objective::kDpo) {
      plan.pairs.push_back({item.at(0).get<std::string>(), item.at(1).get<std::string>(),
                            item.at(2).get<std::string>()});
    } else {
      plan.texts.push_back(item.get<std::string>());
    }
  }
  return plan;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: rwku-train-bench <model folder> <plan.json>\n", stderr);
    return 2;
  }
  const auto contents = rwku::ReadFile(argv[2]);
  if (!contents.ok()) {
    return Fail(contents.status());
  }
  const TrainingPlan plan = PlanOf(json::parse(*contents));
  const rwku::CancelToken cancel;
  const auto engine = rwku::engine::CreateTorchEngine({.threads = 1});
  if (const auto model = engine->Load(argv[1], cancel); !model.ok()) {
    return Fail(model.status());
  }
  json report;
  const double start = ProcessorSeconds();
  double last = start;
  const auto trained = engine->Train(plan,
                                     {.on_step =
                                          [&](const rwku::engine::TrainingStep& step) {
                                            const double now = ProcessorSeconds();
                                            report["step_seconds"].push_back(now - last);
                                            report["losses"].push_back(step.loss);
                                            last = now;
                                          },
                                      .on_epoch = nullptr},
                                     cancel);
  if (!trained.ok()) {
    return Fail(trained.status());
  }
  report["seconds"] = ProcessorSeconds() - start;
  std::puts(report.dump().c_str());
  return 0;
}
