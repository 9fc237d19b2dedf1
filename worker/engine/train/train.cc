#include "worker/engine/train/train.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "base/log.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/device_memory.h"
#include "worker/engine/train/hidden_losses.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/memory_plan.h"
#include "worker/engine/train/micro_batches.h"
#include "worker/engine/train/movement.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/plan_validation.h"
#include "worker/engine/train/retain_stream.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/token_loss.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A batch of forget items and the retain texts that go with them.
struct Batch {
  absl::Span<const int> items;
  std::vector<int> retain;
};

struct LossAndNorm {
  double loss = 0;  // mean of a step's batches
  double gradient_norm = 0;
};

class Trainer {
 public:
  Trainer(CausalLm& model, const text::Tokenizer& tokenizer, const TrainingPlan& plan,
          const TrainingCallbacks& callbacks, const CancelToken& cancel,
          const TrainingContext& context)
      : model_(model),
        tokenizer_(tokenizer),
        plan_(plan),
        callbacks_(callbacks),
        cancel_(cancel),
        context_(context) {}

  absl::StatusOr<TrainingReport> Run() {
    const c10::AutoGradMode grad(true);
    RWKU_RETURN_IF_ERROR(Tokenize());
    MergeAdapters(&model_);
    RWKU_RETURN_IF_ERROR(AskOriginal());
    if (plan_.trained == TrainedWeights::kLora) {
      AttachLora(plan_.lora, plan_.layers, plan_.seed, &model_);
    }
    const TrainableWeights weights(&model_, ChoiceOf(plan_));
    report_.trained_parameters = weights.parameters();
    RWKU_RETURN_IF_ERROR(PlanParts());
    AdamWOptions options;
    options.max_gradient_norm = plan_.max_gradient_norm;
    AdamW optimizer(weights.tensors(), options);
    MovementCheck movement(model_, weights);
    if (plan_.objective == Objective::kRmu) {
      direction_ = RandomDirection(plan_.seed, model_.config().hidden_size).to(model_.device());
    }
    std::optional<RetainStream> retain;
    if (plan_.retain.term != RetainTerm::kNone) {
      retain.emplace(plan_.seed, retain_.corpus.Items());
    }
    total_steps_ = static_cast<int>(TotalSteps(plan_, forget_.corpus.Items()));
    for (int epoch = 1; epoch <= plan_.epochs; ++epoch) {
      RWKU_RETURN_IF_ERROR(Epoch(epoch, retain, &optimizer, &movement));
      report_.epochs = epoch;
      RWKU_ASSIGN_OR_RETURN(const EpochVerdict verdict, TellEpoch(epoch));
      if (verdict == EpochVerdict::kStop) {
        break;
      }
    }
    return std::move(report_);
  }

 private:
  absl::Status Tokenize() {
    const int64_t vocabulary = model_.config().vocab_size;
    RWKU_ASSIGN_OR_RETURN(forget_.corpus, TokenizeCorpus(plan_, tokenizer_, vocabulary));
    for (const TrainingSequence& sequence : forget_.corpus.sequences) {
      report_.tokens_per_epoch += static_cast<int64_t>(sequence.tokens.size());
    }
    if (plan_.retain.term != RetainTerm::kNone) {
      RWKU_ASSIGN_OR_RETURN(retain_.corpus.sequences,
                            TokenizeTexts("retain.texts", plan_.retain.texts, plan_.cutoff_tokens,
                                          tokenizer_, vocabulary));
    }
    return absl::OkStatus();
  }

  // What the losses want to know of the original model, before the present one changes.
  absl::Status AskOriginal() {
    const ReferenceKind forget = ReferenceOf(plan_.objective);
    const ReferenceKind retain = ReferenceOf(plan_.retain.term);
    if (forget == ReferenceKind::kNone && retain == ReferenceKind::kNone) {
      return absl::OkStatus();
    }
    const c10::AutoGradMode no_grad(false);
    const OriginalWeightsScope scope(model_, context_.original);
    RWKU_RETURN_IF_ERROR(Ask(forget, &forget_));
    return Ask(retain, &retain_);
  }

  absl::Status Ask(ReferenceKind kind, ReferencedCorpus* corpus) {
    if (kind == ReferenceKind::kNone) {
      return absl::OkStatus();
    }
    const std::vector<TrainingSequence>& sequences = corpus->corpus.sequences;
    if (kind == ReferenceKind::kNll) {
      RWKU_ASSIGN_OR_RETURN(ReferenceNlls reference,
                            ComputeReferenceNlls(model_, sequences, context_.original, cancel_));
      corpus->nll = std::move(reference.values);
      report_.reference_texts_computed = reference.computed;
      report_.reference_texts_cached = reference.cached;
      return absl::OkStatus();
    }
    RWKU_ASSIGN_OR_RETURN(corpus->states,
                          ComputeReferenceStates(kind, model_, sequences, plan_.layer, cancel_));
    if (kind != ReferenceKind::kLayerStates) {
      const at::Tensor head = model_.lm_head.weight.detach();
      corpus->head = HeadChanges() ? head.clone() : head;
    }
    return absl::OkStatus();
  }

  // Whether the tensor that is the head now will not be the original's: it trains, or it only has
  // the original's values for a while.
  bool HeadChanges() const {
    return context_.original.weights != nullptr ||
           (plan_.trained == TrainedWeights::kFull && !plan_.layers.has_value());
  }

  absl::Status PlanParts() {
    MemoryRequest request;
    request.config = model_.config();
    for (const auto& [name, tensor] : model_.NamedParameters()) {
      request.parameters += tensor.numel();
    }
    request.trained_parameters = report_.trained_parameters;
    request.adapter_parameters =
        plan_.trained == TrainedWeights::kLora ? report_.trained_parameters : 0;
    request.compute_bytes = static_cast<int>(c10::elementSize(model_.compute_dtype()));
    request.first_layer = plan_.layers.has_value() ? plan_.layers->begin : 0;
    request.chunk_rows = LogitChunkRows(model_);
    request.keeps_items_whole = plan_.objective == Objective::kDpo ||
                                plan_.objective == Objective::kNpo ||
                                plan_.objective == Objective::kSimNpo;
    request.has_reference_logits = plan_.objective == Objective::kCeu ||
                                   plan_.objective == Objective::kUndial ||
                                   plan_.retain.term == RetainTerm::kKl;
    request.copies_head = (forget_.head.defined() || retain_.head.defined()) && HeadChanges();
    const int per_item = forget_.corpus.sequences_per_item;
    const std::vector<TrainingSequence>& sequences = forget_.corpus.sequences;
    request.item_tokens.resize(sequences.size() / per_item);
    for (size_t i = 0; i < sequences.size(); ++i) {
      request.item_tokens[i / per_item] += static_cast<int64_t>(sequences[i].tokens.size());
    }
    for (const TrainingSequence& sequence : retain_.corpus.sequences) {
      request.retain_tokens.push_back(static_cast<int64_t>(sequence.tokens.size()));
    }
    request.batch_size = plan_.batch_size;
    request.smallest_parts = plan_.micro_batch_parts;
    request.available_bytes = context_.available_bytes.value_or(AvailableBytes(model_.device()));
    RWKU_ASSIGN_OR_RETURN(const ChosenMemoryPlan chosen, PlanMemory(request));
    report_.memory = chosen.plan;
    parts_ = chosen.parts;
    return absl::OkStatus();
  }

  absl::Status Epoch(int epoch, std::optional<RetainStream>& retain, AdamW* optimizer,
                     MovementCheck* movement) {
    const int count = forget_.corpus.Items();
    const std::vector<int> order = EpochOrder(plan_.seed, epoch - 1, count);
    int done = 0;
    while (done < count) {
      std::vector<Batch> batches;
      for (; done < count && static_cast<int>(batches.size()) < plan_.accumulation;) {
        const int size = std::min(plan_.batch_size, count - done);
        batches.push_back({absl::MakeConstSpan(order).subspan(done, size),
                           retain.has_value() ? retain->Take(size) : std::vector<int>{}});
        done += size;
      }
      RWKU_RETURN_IF_ERROR(Step(batches, optimizer, movement));
    }
    return absl::OkStatus();
  }

  // `backward` of each part of `items`, in the scale of them all.
  template <typename Backward>
  absl::Status InParts(const ReferencedCorpus& corpus, absl::Span<const int> items, double weight,
                       const Backward& backward, at::Tensor* loss) {
    const BatchScale scale = ScaleOf(corpus.corpus, items, weight);
    const auto pack_size =
        static_cast<size_t>(CeilDivide(static_cast<int64_t>(items.size()), parts_));
    for (size_t begin = 0; begin < items.size(); begin += pack_size) {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      const MicroBatch batch = PackItems(corpus, items.subspan(begin, pack_size), model_.device());
      *loss += backward(batch, scale);
    }
    return absl::OkStatus();
  }

  // Adds the gradients of a step's batches; returns the mean of their losses.
  absl::StatusOr<LossAndNorm> Backward(const std::vector<Batch>& batches, const AdamW& optimizer) {
    const double share = 1.0 / static_cast<double>(batches.size());
    at::Tensor loss = at::zeros({}, at::TensorOptions(model_.device()).dtype(at::kDouble));
    for (const Batch& batch : batches) {
      RWKU_RETURN_IF_ERROR(InParts(
          forget_, batch.items, share * plan_.forget_weight,
          [&](const MicroBatch& part, const BatchScale& scale) {
            return BackwardForget(model_, part.pack, plan_, part.reference, direction_, scale);
          },
          &loss));
      RWKU_RETURN_IF_ERROR(InParts(
          retain_, batch.retain, share * plan_.retain.weight,
          [&](const MicroBatch& part, const BatchScale& scale) {
            return BackwardRetain(model_, part.pack, plan_, part.reference, scale);
          },
          &loss));
    }
    return LossAndNorm{loss.item<double>(), optimizer.GradientNorm()};
  }

  // Backward, in smaller and smaller parts while memory runs out.
  absl::StatusOr<LossAndNorm> BackwardThatFits(const std::vector<Batch>& batches,
                                               AdamW* optimizer) {
    const auto largest = static_cast<int>(batches.front().items.size());
    while (true) {
      auto result = CatchTorch([&] { return Backward(batches, *optimizer); });
      if (!absl::IsResourceExhausted(result.status()) || parts_ >= largest) {
        return result;
      }
      parts_ *= 2;
      RWKU_LOG(kWarning, "memory ran out in a step: repeats it in smaller parts")
          .With("parts", parts_)
          .With("error", result.status().ToString());
      optimizer->DropGradients();
    }
  }

  // One optimizer step over `batches`.
  absl::Status Step(const std::vector<Batch>& batches, AdamW* optimizer, MovementCheck* movement) {
    TrainingStep step;
    step.step = static_cast<int>(report_.steps.size()) + 1;
    step.total_steps = total_steps_;
    RWKU_ASSIGN_OR_RETURN(const LossAndNorm result, BackwardThatFits(batches, optimizer));
    step.loss = result.loss;
    step.gradient_norm = result.gradient_norm;
    step.learning_rate =
        plan_.learning_rate * CosineWithWarmup(step.step, plan_.warmup_steps, total_steps_);
    RWKU_RETURN_IF_ERROR(CheckFinite(step));
    for (const Batch& batch : batches) {
      step.tokens += TokensOf(forget_.corpus, batch.items);
      attends_ =
          attends_ || Attends(forget_.corpus, batch.items) || Attends(retain_.corpus, batch.retain);
    }
    const bool is_due = movement->IsDue(step.learning_rate, step.gradient_norm);
    if (is_due) {
      RWKU_RETURN_IF_ERROR(movement->Before(attends_));
    }
    optimizer->Step(step.learning_rate, step.gradient_norm);
    if (is_due) {
      RWKU_RETURN_IF_ERROR(movement->After(*optimizer, step.learning_rate));
    }
    report_.steps.push_back(step);
    if (callbacks_.on_step) {
      callbacks_.on_step(step);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<EpochVerdict> TellEpoch(int epoch) {
    if (!callbacks_.on_epoch) {
      return EpochVerdict::kContinue;
    }
    const c10::AutoGradMode no_grad(false);
    return callbacks_.on_epoch(epoch);
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
  const TrainingContext& context_;
  ReferencedCorpus forget_;
  ReferencedCorpus retain_;
  at::Tensor direction_;  // of kRmu
  int parts_ = 1;         // of a batch
  int total_steps_ = 0;
  bool attends_ = false;  // a label so far was predicted from more than one token
  TrainingReport report_;
};

}  // namespace

int64_t TotalSteps(const TrainingPlan& plan, int64_t item_count) {
  return CeilDivide(CeilDivide(item_count, plan.batch_size), plan.accumulation) * plan.epochs;
}

absl::StatusOr<TrainingReport> TrainModel(CausalLm& model, const text::Tokenizer& tokenizer,
                                          const TrainingPlan& plan,
                                          const TrainingCallbacks& callbacks,
                                          const CancelToken& cancel,
                                          const TrainingContext& context) {
  RWKU_RETURN_IF_ERROR(ValidateTrainingPlan(plan));
  RWKU_RETURN_IF_ERROR(ValidateForModel(plan, model));
  return CatchTorch([&]() -> absl::StatusOr<TrainingReport> {
    return Trainer(model, tokenizer, plan, callbacks, cancel, context).Run();
  });
}

}  // namespace rwku::engine
