#include "worker/engine/train/train.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "base/random.h"
#include "base/status_macros.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

absl::Status AtLeast(absl::string_view field, int value, int smallest) {
  if (value >= smallest) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be at least ", smallest));
}

absl::Status Positive(absl::string_view field, double value) {
  if (std::isfinite(value) && value > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be a positive number"));
}

class Trainer {
 public:
  Trainer(CausalLm& model, const text::Tokenizer& tokenizer, const TrainingPlan& plan,
          const TrainingCallbacks& callbacks, const CancelToken& cancel)
      : model_(model), tokenizer_(tokenizer), plan_(plan), callbacks_(callbacks), cancel_(cancel) {}

  absl::StatusOr<TrainingReport> Run() {
    const c10::AutoGradMode grad(true);
    RWKU_ASSIGN_OR_RETURN(texts_, TokenizeTexts(plan_, tokenizer_, model_.config().vocab_size));
    for (const TrainingText& text : texts_) {
      report_.tokens_per_epoch += static_cast<int64_t>(text.tokens.size());
    }
    model_.RemoveAdapters();
    reference_nll_.assign(texts_.size(), 0);
    if (plan_.objective == Objective::kNpo) {
      RWKU_RETURN_IF_ERROR(ScoreReference());
    }
    if (plan_.trained == TrainedWeights::kLora) {
      AttachLora(plan_.lora, plan_.seed, &model_);
    }
    const TrainableWeights weights(&model_, plan_.trained);
    AdamWOptions options;
    options.max_gradient_norm = plan_.max_gradient_norm;
    AdamW optimizer(weights.tensors(), options);

    const auto count = static_cast<int64_t>(texts_.size());
    const int64_t texts_a_step = int64_t{plan_.batch_size} * plan_.accumulation;
    total_steps_ = static_cast<int>(TotalSteps(plan_, count));
    for (int epoch = 0; epoch < plan_.epochs; ++epoch) {
      const std::vector<int> order = EpochOrder(plan_.seed, epoch, static_cast<int>(count));
      for (int64_t begin = 0; begin < count; begin += texts_a_step) {
        const int64_t size = std::min(texts_a_step, count - begin);
        RWKU_RETURN_IF_ERROR(Step(absl::MakeConstSpan(order).subspan(begin, size), &optimizer));
      }
    }
    return std::move(report_);
  }

 private:
  LabelledPack Pack(absl::Span<const int> indices) const {
    std::vector<const TrainingText*> chosen;
    chosen.reserve(indices.size());
    for (const int index : indices) {
      chosen.push_back(&texts_[index]);
    }
    return PackTexts(chosen, tokenizer_.eos_id(), model_.device());
  }

  // Texts that pass through the model at once.
  int64_t PackSize(int64_t batch_texts) const {
    return CeilDivide(batch_texts, plan_.micro_batch_parts);
  }

  absl::Status ScoreReference() {
    const auto count = static_cast<int>(texts_.size());
    const auto pack_size = static_cast<int>(PackSize(plan_.batch_size));
    for (int begin = 0; begin < count; begin += pack_size) {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      std::vector<int> indices;
      for (int i = begin; i < std::min(begin + pack_size, count); ++i) {
        indices.push_back(i);
      }
      const std::vector<double> sums = TextNll(model_, Pack(indices));
      std::copy(sums.begin(), sums.end(), reference_nll_.begin() + begin);
    }
    return absl::OkStatus();
  }

  // Adds the batch's gradients; returns its share of the step's loss.
  absl::StatusOr<at::Tensor> Batch(absl::Span<const int> indices, double share) {
    BatchScale scale;
    scale.texts = static_cast<int64_t>(indices.size());
    scale.share = share;
    for (const int index : indices) {
      scale.labelled += texts_[index].labelled;
    }
    at::Tensor loss = at::zeros({}, at::TensorOptions(model_.device()).dtype(at::kDouble));
    const auto pack_size = static_cast<size_t>(PackSize(scale.texts));
    for (size_t begin = 0; begin < indices.size(); begin += pack_size) {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      const absl::Span<const int> part = indices.subspan(begin, pack_size);
      std::vector<double> references;
      references.reserve(part.size());
      for (const int index : part) {
        references.push_back(reference_nll_[index]);
      }
      loss += BackwardPack(model_, Pack(part), plan_.objective, plan_.beta, references, scale);
    }
    return loss;
  }

  // One optimizer step over `indices`, batch by batch.
  absl::Status Step(absl::Span<const int> indices, AdamW* optimizer) {
    const auto batch_size = static_cast<size_t>(plan_.batch_size);
    const double share = 1.0 / static_cast<double>(CeilDivide(static_cast<int64_t>(indices.size()),
                                                              plan_.batch_size));
    at::Tensor loss = at::zeros({}, at::TensorOptions(model_.device()).dtype(at::kDouble));
    for (size_t begin = 0; begin < indices.size(); begin += batch_size) {
      RWKU_ASSIGN_OR_RETURN(const at::Tensor batch_loss,
                            Batch(indices.subspan(begin, batch_size), share));
      loss += batch_loss;
    }
    TrainingStep step;
    step.step = static_cast<int>(report_.steps.size()) + 1;
    step.total_steps = total_steps_;
    step.loss = loss.item<double>();
    step.gradient_norm = optimizer->GradientNorm();
    step.learning_rate =
        plan_.learning_rate * CosineWithWarmup(step.step, plan_.warmup_steps, total_steps_);
    RWKU_RETURN_IF_ERROR(CheckFinite(step));
    optimizer->Step(step.learning_rate, step.gradient_norm);
    report_.steps.push_back(step);
    if (callbacks_.on_step) {
      callbacks_.on_step(step);
    }
    return absl::OkStatus();
  }

  absl::Status CheckFinite(const TrainingStep& step) const {
    const bool loss_is_bad = !std::isfinite(step.loss);
    if (!loss_is_bad && std::isfinite(step.gradient_norm)) {
      return absl::OkStatus();
    }
    std::string message = absl::StrCat("step ", step.step, " of ", step.total_steps, ": the ",
                                       loss_is_bad ? "loss" : "gradient norm", " is ",
                                       loss_is_bad ? step.loss : step.gradient_norm, "; ");
    if (report_.steps.empty()) {
      absl::StrAppend(&message, "no step before it");
    } else {
      absl::StrAppend(&message, "the last good loss was ", report_.steps.back().loss, " at step ",
                      report_.steps.back().step);
    }
    return absl::DataLossError(message);
  }

  CausalLm& model_;
  const text::Tokenizer& tokenizer_;
  const TrainingPlan& plan_;
  const TrainingCallbacks& callbacks_;
  const CancelToken& cancel_;
  std::vector<TrainingText> texts_;
  std::vector<double> reference_nll_;  // by text; of the model as it came
  int total_steps_ = 0;
  TrainingReport report_;
};

}  // namespace

absl::Status ValidateTrainingPlan(const TrainingPlan& plan) {
  if (plan.texts.empty()) {
    return absl::InvalidArgumentError("texts is empty, at least one is needed");
  }
  RWKU_RETURN_IF_ERROR(Positive("learning_rate", plan.learning_rate));
  RWKU_RETURN_IF_ERROR(Positive("max_gradient_norm", plan.max_gradient_norm));
  if (plan.objective == Objective::kNpo) {
    RWKU_RETURN_IF_ERROR(Positive("beta", plan.beta));
  }
  RWKU_RETURN_IF_ERROR(AtLeast("warmup_steps", plan.warmup_steps, 0));
  RWKU_RETURN_IF_ERROR(AtLeast("batch_size", plan.batch_size, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("accumulation", plan.accumulation, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("epochs", plan.epochs, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("cutoff_tokens", plan.cutoff_tokens, 2));
  const int parts = plan.micro_batch_parts;
  if (parts < 1 || (parts & (parts - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("micro_batch_parts is ", parts, ", must be a power of two"));
  }
  return plan.trained == TrainedWeights::kLora ? ValidateLoraPlan(plan.lora) : absl::OkStatus();
}

int64_t TotalSteps(const TrainingPlan& plan, int64_t text_count) {
  return CeilDivide(CeilDivide(text_count, plan.batch_size), plan.accumulation) * plan.epochs;
}

absl::StatusOr<TrainingReport> TrainModel(CausalLm& model, const text::Tokenizer& tokenizer,
                                          const TrainingPlan& plan,
                                          const TrainingCallbacks& callbacks,
                                          const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(ValidateTrainingPlan(plan));
  return CatchTorch([&]() -> absl::StatusOr<TrainingReport> {
    return Trainer(model, tokenizer, plan, callbacks, cancel).Run();
  });
}

}  // namespace rwku::engine
