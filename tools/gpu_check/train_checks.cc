#include "tools/gpu_check/train_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "base/cancel.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "tools/gpu_check/device.h"
#include "tools/gpu_check/training_case.h"
#include "tools/gpu_check/worst.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/checksum.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace rwku::gpu_check {
namespace {

using engine::CausalLm;
using engine::TrainingContext;
using engine::TrainingPlan;
using engine::TrainingReport;

constexpr char kFamily[] = "llama";
// Relative, of a loss, from PyTorch's: in float32, and under autocast.
constexpr double kFloatTolerance = 1e-4;
constexpr double kBfloatTolerance = 2e-3;
constexpr double kSmallestLoss = 1e-6;  // a KL and a distance begin at zero

absl::StatusOr<TrainingReport> Train(CausalLm& model, const TrainingPlan& plan, int32_t eos,
                                     const TrainingContext& context = {}) {
  const CancelToken cancel;
  const engine::NumberTokenizer tokenizer(static_cast<int>(model.config().vocab_size), eos);
  return TrainModel(model, tokenizer, plan, {}, cancel, context);
}

std::vector<double> LossesOf(const TrainingReport& report) {
  std::vector<double> losses;
  for (const engine::TrainingStep& step : report.steps) {
    losses.push_back(step.loss);
  }
  return losses;
}

absl::Status CheckCurves(const std::filesystem::path& folder, at::Device device,
                         at::ScalarType dtype, Figures& figures) {
  const bool is_float = dtype == at::kFloat;
  const double tolerance = is_float ? kFloatTolerance : kBfloatTolerance;
  const std::string family = is_float ? kFamily : absl::StrCat(kFamily, "_bfloat16");
  RWKU_ASSIGN_OR_RETURN(const std::vector<TrainingCase> cases, ReadTrainingCases(folder, family));
  Worst worst;
  std::vector<std::string> failed;
  for (const TrainingCase& one : cases) {
    RWKU_ASSIGN_OR_RETURN(const auto model, engine::LoadCausalLm(folder / family, device, dtype));
    const absl::StatusOr<TrainingReport> report = Train(*model, one.plan, one.eos);
    if (!report.ok()) {
      failed.push_back(absl::StrCat(one.name, ": ", report.status().ToString()));
      continue;
    }
    const std::vector<double> losses = LossesOf(*report);
    Worst here;
    here.Take(losses.size() == one.losses.size() ? 0 : std::nan(""), one.name);
    double largest = 0;
    for (const double loss : one.losses) {
      largest = std::max(largest, std::abs(loss));
    }
    // Where texts have no label, a loss is a distance of almost equal states: bfloat16 keeps
    // nothing of it.
    const double least = is_float ? kSmallestLoss : largest / 100;
    for (size_t i = 0; i < std::min(losses.size(), one.losses.size()); ++i) {
      here.Take(std::abs(losses[i] - one.losses[i]) / std::max(std::abs(one.losses[i]), least),
                one.name);
    }
    worst.Take(here.value, one.name);
    if (!(here.value <= tolerance)) {
      failed.push_back(absl::StrCat(one.name, ": a loss differs by ", here.value));
    }
  }
  figures["cases"] = cases.size();
  figures["largest_relative_loss_difference"] = worst.value;
  figures["largest_of"] = worst.of;
  figures["failed_cases"] = failed.size();
  if (!failed.empty()) {
    return absl::DataLossError(absl::StrCat(failed.size(), " of ", cases.size(),
                                            " trainings differ (allowed are ", tolerance,
                                            " of a loss); the first is ", failed.front()));
  }
  return absl::OkStatus();
}

// The first case of a tuning.
absl::StatusOr<TrainingCase> FirstCase(const std::filesystem::path& folder,
                                       const std::string& tuning) {
  RWKU_ASSIGN_OR_RETURN(const std::vector<TrainingCase> cases, ReadTrainingCases(folder, kFamily));
  for (const TrainingCase& one : cases) {
    if (one.tuning == tuning) {
      return one;
    }
  }
  return absl::NotFoundError(absl::StrCat(folder.string(), ": no case is of ", tuning));
}

absl::Status CheckTwice(const std::filesystem::path& folder, at::Device device, Figures& figures) {
  int runs = 0;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const char* const tuning : {"full", "lora"}) {
      RWKU_ASSIGN_OR_RETURN(const TrainingCase one, FirstCase(folder, tuning));
      std::set<std::vector<double>> losses;
      std::set<std::string> checksums;
      for (int i = 0; i < 2; ++i) {
        RWKU_ASSIGN_OR_RETURN(const auto model,
                              engine::LoadCausalLm(folder / kFamily, device, dtype));
        RWKU_ASSIGN_OR_RETURN(const TrainingReport report, Train(*model, one.plan, one.eos));
        losses.insert(LossesOf(report));
        checksums.insert(engine::WeightsChecksum(model->NamedParameters()));
        ++runs;
      }
      if (losses.size() != 1 || checksums.size() != 1) {
        return absl::DataLossError(
            absl::StrCat(one.name, " in ", at::toString(dtype), ": two trainings differ"));
      }
    }
  }
  figures["trainings"] = runs;
  return absl::OkStatus();
}

absl::Status CheckRestore(const std::filesystem::path& folder, at::Device device,
                          Figures& figures) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    std::vector<at::Tensor> stored;
    RWKU_ASSIGN_OR_RETURN(const auto model,
                          engine::LoadCausalLm(folder / kFamily, device, dtype, &stored));
    const std::string original = engine::WeightsChecksum(model->NamedParameters());
    RWKU_ASSIGN_OR_RETURN(const TrainingCase lora, FirstCase(folder, "lora"));
    RWKU_RETURN_IF_ERROR(Train(*model, lora.plan, lora.eos).status());
    model->RemoveAdapters();
    if (engine::WeightsChecksum(model->NamedParameters()) != original) {
      return absl::DataLossError("a LoRA training changed the weights below its adapters");
    }
    RWKU_ASSIGN_OR_RETURN(const TrainingCase full, FirstCase(folder, "full"));
    RWKU_RETURN_IF_ERROR(Train(*model, full.plan, full.eos).status());
    if (engine::WeightsChecksum(model->NamedParameters()) == original) {
      return absl::DataLossError("a full training changed nothing");
    }
    const at::AutoGradMode no_grad(false);
    const auto parameters = model->NamedParameters();
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].second.copy_(stored[i], /*non_blocking=*/true);
    }
    if (engine::WeightsChecksum(model->NamedParameters()) != original) {
      return absl::DataLossError("the restored weights are not the original's");
    }
    figures["checksum"] = original;
  }
  return absl::OkStatus();
}

// A step that fits in parts alone, on a card that something else fills.
absl::Status CheckOutOfMemory(at::Device device, Figures& figures) {
  constexpr int64_t kRoom = int64_t{700} << 20;
  constexpr int kTexts = 16;
  constexpr int kTokens = 256;
  engine::ModelConfig config;
  config.hidden_size = 64;
  config.intermediate_size = 128;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = 128'256;  // the logits of all texts, and what is made of them, take gigabytes
  const auto model = CausalLm::Random(config, 1, 0.02, device);
  Random random(1, "out of memory");
  TrainingPlan plan;
  plan.objective = engine::Objective::kGradientAscent;
  plan.trained = engine::TrainedWeights::kLora;
  plan.learning_rate = 1e-5;
  plan.warmup_steps = 0;
  plan.batch_size = kTexts;
  plan.epochs = 1;
  for (int i = 0; i < kTexts; ++i) {
    std::string text;
    for (int t = 0; t < kTokens; ++t) {
      absl::StrAppend(&text, 5 + random.Below(100'000), " ");
    }
    plan.texts.push_back(std::move(text));
  }
  RWKU_ASSIGN_OR_RETURN(const TrainingReport whole, Train(*model, plan, 4));
  model->RemoveAdapters();
  EmptyCache(device);
  const auto free = static_cast<int64_t>(
      c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  if (free <= kRoom) {
    return absl::FailedPreconditionError(absl::StrCat("only ", free, " bytes are free"));
  }
  at::Tensor filler =
      at::empty({free - kRoom}, at::TensorOptions().dtype(at::kByte).device(device));
  // The planner is told that there is room: what is short shows in the step alone.
  TrainingContext context;
  context.available_bytes = std::numeric_limits<int64_t>::max() / 4;
  const absl::StatusOr<TrainingReport> squeezed = Train(*model, plan, 4, context);
  filler.reset();
  EmptyCache(device);
  RWKU_RETURN_IF_ERROR(squeezed.status());
  figures["loss_whole"] = whole.steps.front().loss;
  figures["loss_in_parts"] = squeezed->steps.front().loss;
  const double difference = std::abs(whole.steps.front().loss - squeezed->steps.front().loss);
  if (!(difference <= 1e-3)) {
    return absl::DataLossError("the step that was repeated in parts has another loss");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Stage> TrainChecks(const std::filesystem::path& trainings, at::Device device,
                               const std::string& skipped, const std::string& no_gpu) {
  return {
      {"train-float32", skipped,
       [=](Figures& figures) { return CheckCurves(trainings, device, at::kFloat, figures); }},
      {"train-bfloat16", skipped,
       [=](Figures& figures) { return CheckCurves(trainings, device, at::kBFloat16, figures); }},
      {"train-twice", skipped,
       [=](Figures& figures) { return CheckTwice(trainings, device, figures); }},
      {"restore", skipped,
       [=](Figures& figures) { return CheckRestore(trainings, device, figures); }},
      {"out-of-memory", no_gpu,
       [=](Figures& figures) { return CheckOutOfMemory(device, figures); }},
  };
}

}  // namespace rwku::gpu_check
