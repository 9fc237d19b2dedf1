#include "worker/engine/train/train.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "base/log.h"
#include "base/status_macros.h"
#include "worker/engine/memory/training_memory.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/batches.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/device_memory.h"
#include "worker/engine/train/hidden_losses.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/micro_batches.h"
#include "worker/engine/train/movement.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/plan_validation.h"
#include "worker/engine/train/rank_share.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/token_loss.h"
#include "worker/engine/train/trainable.h"
#include "worker/engine/train/weight_history.h"

namespace rwku::engine {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t GradientBytes(const TrainableWeights& weights) {
  int64_t bytes = 0;
  for (const at::Tensor& tensor : weights.tensors()) {
    bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

// This rank's items of one of a batch's two corpora, in the scale of the whole batch.
struct Pass {
  bool is_retain = false;
  std::vector<int> items;
  BatchScale scale;
};

// Items that pass through the model at once.
struct Part {
  const Pass* pass = nullptr;
  absl::Span<const int> items;
};

struct LossAndNorm {
  double loss = 0;  // mean of a step's batches
  double gradient_norm = 0;
};

class Trainer {
 public:
  Trainer(CausalLm& model, const text::Tokenizer& tokenizer, const TrainingPlan& plan,
          const TrainingCallbacks& callbacks, const CancelToken& cancel,
          const TrainingContext& context, const RankShare& share)
      : model_(model),
        tokenizer_(tokenizer),
        plan_(plan),
        callbacks_(callbacks),
        cancel_(cancel),
        context_(context),
        history_(context.history == nullptr ? own_history_ : *context.history),
        share_(share) {}

  absl::StatusOr<TrainingReport> Run() {
    const c10::AutoGradMode grad(true);
    RWKU_RETURN_IF_ERROR(Tokenize());
    epochs_ = PlanBatches(plan_, forget_.corpus.Items(), retain_.corpus.Items());
    MergeAdapters(&model_, &history_);
    RWKU_RETURN_IF_ERROR(AskOriginal());
    if (plan_.trained == TrainedWeights::kLora) {
      AttachLora(plan_.lora, plan_.layers, plan_.seed, &model_);
    }
    const TrainableWeights weights(&model_, ChoiceOf(plan_));
    report_.trained_parameters = weights.parameters();
    RWKU_RETURN_IF_ERROR(PlanParts());
    AdamW optimizer = MakeOptimizer(weights);
    MovementCheck movement(model_, weights, optimizer);
    if (plan_.objective == Objective::kRmu) {
      direction_ = RandomDirection(plan_.seed, model_.config().hidden_size).to(model_.device());
    }
    RWKU_RETURN_IF_ERROR(MeetRanks(weights));
    total_steps_ = static_cast<int>(TotalSteps(plan_, forget_.corpus.Items()));
    for (int epoch = 1; epoch <= plan_.epochs; ++epoch) {
      for (const StepBatches& batches : epochs_[static_cast<size_t>(epoch - 1)]) {
        RWKU_RETURN_IF_ERROR(Step(batches, weights, &optimizer, &movement));
      }
      report_.epochs = epoch;
      RWKU_ASSIGN_OR_RETURN(const EpochVerdict verdict, TellEpoch(epoch));
      if (verdict == EpochVerdict::kStop) {
        break;
      }
    }
    KeepMasters(weights, optimizer, &history_);
    if (context_.held != nullptr) {
      *context_.held = {optimizer.StateBytes(),
                        exchange_ != nullptr ? exchange_->peak_bytes() : GradientBytes(weights)};
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
    OriginalWeightsScope scope(model_, context_.original, history_.changed);
    RWKU_RETURN_IF_ERROR(Ask(forget, &forget_));
    RWKU_RETURN_IF_ERROR(Ask(retain, &retain_));
    scope.PutBack();
    return absl::OkStatus();
  }

  absl::Status Ask(ReferenceKind kind, ReferencedCorpus* corpus) {
    if (kind == ReferenceKind::kNone) {
      return absl::OkStatus();
    }
    const std::vector<TrainingSequence>& sequences = corpus->corpus.sequences;
    if (kind == ReferenceKind::kNll) {
      RWKU_ASSIGN_OR_RETURN(
          ReferenceNlls reference,
          ComputeSharedReferenceNlls(share_, model_, sequences, context_.original, cancel_));
      corpus->nll = std::move(reference.values);
      report_.reference_texts_computed = reference.computed;
      report_.reference_texts_cached = reference.cached;
      return absl::OkStatus();
    }
    RWKU_ASSIGN_OR_RETURN(
        corpus->states,
        ComputeReferenceStates(kind, model_, sequences, IsOwn(*corpus), plan_.layer, cancel_));
    if (kind != ReferenceKind::kLayerStates) {
      const at::Tensor head = model_.lm_head.weight.detach();
      corpus->head = HeadChanges() ? head.clone() : head;
    }
    return absl::OkStatus();
  }

  // Of each sequence, whether it will ever be this rank's.
  std::vector<bool> IsOwn(const ReferencedCorpus& corpus) const {
    const int per_item = corpus.corpus.sequences_per_item;
    std::vector<bool> is_own(corpus.corpus.sequences.size(), false);
    for (const std::vector<StepBatches>& steps : epochs_) {
      for (const StepBatches& batches : steps) {
        for (const Batch& own : ShareOf(batches, share_.rank, share_.world_size)) {
          for (const int item : &corpus == &retain_ ? own.retain : own.items) {
            std::fill_n(is_own.begin() + item * per_item, per_item, true);
          }
        }
      }
    }
    return is_own;
  }

  // Whether the tensor that is the head now will not be the original's: it trains, or it only has
  // the original's values for a while.
  bool HeadChanges() const {
    return (context_.original.weights != nullptr && !history_.changed.empty()) ||
           (plan_.trained == TrainedWeights::kFull && !plan_.layers.has_value());
  }

  absl::Status PlanParts() {
    TrainingFacts facts;
    facts.config = model_.config();
    facts.on_gpu = model_.device().is_cuda();
    facts.compute_bytes = static_cast<int>(c10::elementSize(model_.compute_dtype()));
    facts.ranks = share_.world_size;
    facts.optimizer_on_host = plan_.optimizer_on_host;
    facts.original_is_elsewhere = context_.original.weights != nullptr;
    const int per_item = forget_.corpus.sequences_per_item;
    const std::vector<TrainingSequence>& sequences = forget_.corpus.sequences;
    facts.item_tokens.resize(sequences.size() / per_item);
    for (size_t i = 0; i < sequences.size(); ++i) {
      facts.item_tokens[i / per_item] += static_cast<int64_t>(sequences[i].tokens.size());
    }
    for (const TrainingSequence& sequence : retain_.corpus.sequences) {
      facts.retain_tokens.push_back(static_cast<int64_t>(sequence.tokens.size()));
    }
    if (context_.available_bytes.has_value()) {
      facts.available_bytes = *context_.available_bytes;
      facts.device_bytes = context_.device_bytes;
    } else {
      const DeviceMemory memory = ReadDeviceMemory(model_.device());
      facts.available_bytes = memory.available_bytes;
      facts.device_bytes = memory.total_bytes;
    }
    RWKU_ASSIGN_OR_RETURN(const ChosenMemoryPlan chosen, PlanTrainingMemory(plan_, facts));
    report_.memory = chosen.plan;
    parts_ = chosen.parts;
    return absl::OkStatus();
  }

  bool ShardsOptimizer() const { return share_.gang != nullptr && plan_.shard_optimizer_state; }

  AdamW MakeOptimizer(const TrainableWeights& weights) {
    AdamWOptions options;
    options.max_gradient_norm = plan_.max_gradient_norm;
    options.keeps_gradients = share_.gang != nullptr && !ShardsOptimizer();
    options.on_host = plan_.optimizer_on_host;
    std::vector<bool> is_own;
    if (ShardsOptimizer()) {
      owners_ = OwnersOf(weights.tensors(), share_.world_size);
      for (const int owner : owners_) {
        is_own.push_back(owner == share_.rank);
      }
    }
    return {weights.tensors(), options, std::move(is_own),
            TakeMasters(model_, weights, context_.original.weights, &history_)};
  }

  // Ranks come here at very different times, from then on they keep step.
  absl::Status MeetRanks(const TrainableWeights& weights) {
    if (share_.gang == nullptr) {
      return absl::OkStatus();
    }
    RWKU_RETURN_IF_ERROR(AnyRank(share_, false, cancel_).status());
    if (ShardsOptimizer()) {
      RWKU_ASSIGN_OR_RETURN(exchange_, share_.gang->ShardGradients(weights.tensors(), owners_));
    } else {
      RWKU_ASSIGN_OR_RETURN(exchange_, share_.gang->ExchangeGradients(weights.tensors()));
    }
    return absl::OkStatus();
  }

  // This rank's passes of a step; the scales are those of the whole batches.
  std::vector<Pass> PassesOf(const StepBatches& batches) const {
    const double share = 1.0 / static_cast<double>(batches.size());
    StepBatches owns = ShareOf(batches, share_.rank, share_.world_size);
    std::vector<Pass> passes;
    for (size_t i = 0; i < batches.size(); ++i) {
      const Batch& batch = batches[i];
      Batch& own = owns[i];
      passes.push_back({false, std::move(own.items),
                        ScaleOf(forget_.corpus, batch.items, share * plan_.forget_weight)});
      passes.push_back({true, std::move(own.retain),
                        ScaleOf(retain_.corpus, batch.retain, share * plan_.retain.weight)});
    }
    passes.erase(std::remove_if(passes.begin(), passes.end(),
                                [](const Pass& pass) { return pass.items.empty(); }),
                 passes.end());
    return passes;
  }

  // Adds a part's gradients, and exchanges them with the other ranks' if it `ends_exchange`.
  at::Tensor BackwardPart(const Part& part, bool ends_exchange) {
    const Pass& pass = *part.pass;
    MicroBatch batch =
        PackItems(pass.is_retain ? retain_ : forget_, part.items, model_.device());
    if (ends_exchange) {
      batch.pack.on_states = [this](const at::Tensor& states) {
        return exchange_->Attach(states);
      };
    }
    return pass.is_retain
               ? BackwardRetain(model_, batch.pack, plan_, batch.reference, pass.scale)
               : BackwardForget(model_, batch.pack, plan_, batch.reference, direction_, pass.scale);
  }

  std::vector<Part> PartsOf(const std::vector<Pass>& passes) const {
    std::vector<Part> parts;
    for (const Pass& pass : passes) {
      const auto items = absl::MakeConstSpan(pass.items);
      const auto part_size =
          static_cast<size_t>(CeilDivide(static_cast<int64_t>(items.size()), parts_));
      for (size_t begin = 0; begin < items.size(); begin += part_size) {
        parts.push_back({&pass, items.subspan(begin, part_size)});
      }
    }
    return parts;
  }

  // Adds the gradients of a step's batches; returns the mean of their losses. In a gang both are
  // those of all ranks.
  absl::StatusOr<LossAndNorm> Backward(const StepBatches& batches, const AdamW& optimizer) {
    at::Tensor loss = at::zeros({}, at::TensorOptions(model_.device()).dtype(at::kDouble));
    const std::vector<Pass> passes = PassesOf(batches);
    const std::vector<Part> parts = PartsOf(passes);
    if (ShardsOptimizer()) {
      RWKU_RETURN_IF_ERROR(BackwardInShards(parts, loss));
    } else {
      for (const Part& part : parts) {
        RWKU_RETURN_IF_ERROR(cancel_.Check());
        loss += BackwardPart(part, exchange_ != nullptr && &part == &parts.back());
      }
      if (exchange_ != nullptr) {
        exchange_->Finish();
      }
    }
    at::Tensor norm = optimizer.GradientNorm().to(at::kDouble);
    if (ShardsOptimizer()) {
      norm = norm.square();
      RWKU_RETURN_IF_ERROR(share_.gang->Sum(norm));
      norm = norm.sqrt();
    }
    if (share_.gang != nullptr) {
      RWKU_RETURN_IF_ERROR(share_.gang->Sum(loss));
    }
    // One read for both: the host waits for the device once a step.
    const at::Tensor both = at::stack({loss, norm}).to(at::kCPU);
    return LossAndNorm{both[0].item<double>(), both[1].item<double>()};
  }

  // Exchanges after every part; a rank without one takes part while another has any.
  absl::Status BackwardInShards(const std::vector<Part>& parts, at::Tensor& loss) {
    for (size_t next = 0;; ++next) {
      const bool has_part = next < parts.size();
      // A step that is repeated has agreed on its first exchange already.
      if (!exchange_is_agreed_) {
        at::Tensor left = at::full({}, has_part ? 1.0 : 0.0, loss.options());
        RWKU_RETURN_IF_ERROR(share_.gang->Sum(left));
        if (left.item<double>() == 0) {
          return absl::OkStatus();
        }
        exchange_is_agreed_ = true;
      }
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      if (has_part) {
        loss += BackwardPart(parts[next], /*ends_exchange=*/true);
      }
      has_exchanged_ = true;
      exchange_->Finish();
      exchange_is_agreed_ = false;
    }
  }

  // Backward, in smaller and smaller parts while memory runs out. What has been handed to other
  // ranks cannot be repeated.
  absl::StatusOr<LossAndNorm> BackwardThatFits(const StepBatches& batches, AdamW* optimizer) {
    int largest = 0;
    for (const Batch& own : ShareOf(batches, share_.rank, share_.world_size)) {
      largest = std::max(largest, static_cast<int>(own.items.size()));
    }
    has_exchanged_ = false;
    while (true) {
      auto result = CatchTorch([&] { return Backward(batches, *optimizer); });
      const bool is_final = exchange_ != nullptr && (has_exchanged_ || exchange_->has_begun());
      if (!absl::IsResourceExhausted(result.status()) || parts_ >= largest || is_final) {
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
  absl::Status Step(const StepBatches& batches, const TrainableWeights& weights, AdamW* optimizer,
                    MovementCheck* movement) {
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
    if (ShardsOptimizer()) {
      RWKU_RETURN_IF_ERROR(share_.gang->Share(weights.tensors(), owners_));
    }
    if (is_due) {
      RWKU_RETURN_IF_ERROR(movement->After(step.learning_rate));
    }
    report_.steps.push_back(step);
    if (callbacks_.on_step) {
      callbacks_.on_step(step);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<EpochVerdict> TellEpoch(int epoch) {
    EpochVerdict verdict = EpochVerdict::kContinue;
    if (callbacks_.on_epoch) {
      const c10::AutoGradMode no_grad(false);
      RWKU_ASSIGN_OR_RETURN(verdict, callbacks_.on_epoch(epoch));
    }
    // One that stops stops all.
    RWKU_ASSIGN_OR_RETURN(const bool stops,
                          AnyRank(share_, verdict == EpochVerdict::kStop, cancel_));
    return stops ? EpochVerdict::kStop : EpochVerdict::kContinue;
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
  WeightHistory own_history_;  // where nobody asks
  WeightHistory& history_;
  const RankShare share_;
  std::vector<std::vector<StepBatches>> epochs_;
  std::vector<int> owners_;  // of the weights' optimizer state, where it is sharded
  std::unique_ptr<GradientExchange> exchange_;
  bool exchange_is_agreed_ = false;  // the next one of gradients in shards
  bool has_exchanged_ = false;       // gradients in shards, in this step
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
  RWKU_ASSIGN_OR_RETURN(const RankShare share, ShareOfPlan(plan));
  auto report = CatchTorch([&]() -> absl::StatusOr<TrainingReport> {
    return Trainer(model, tokenizer, plan, callbacks, cancel, context, share).Run();
  });
  if (report.ok() || share.gang == nullptr) {
    return report;
  }
  // The others must not wait for this rank until their time is up.
  share.gang->Abort(report.status());
  RWKU_RETURN_IF_ERROR(cancel.Check());
  return absl::IsUnavailable(report.status()) ? share.gang->failure() : report.status();
}

}  // namespace rwku::engine
