#include "worker/job/run_attempt.h"

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/score_prediction.h"
#include "benchmark/methods/registry.h"
#include "benchmark/protocol/prompts.h"
#include "worker/job/collapse.h"
#include "worker/job/content_digest.h"
#include "worker/job/export_folder.h"
#include "worker/job/gang_member.h"
#include "worker/job/generate_corpus.h"
#include "worker/job/original_model.h"
#include "worker/job/target_evaluations.h"
#include "worker/job/training_data.h"
#include "worker/job/training_plan.h"

namespace rwku::job {
namespace {

// Measures one stage, also of an attempt that breaks off in it.
class StageTimer {
 public:
  StageTimer(const Clock& clock, absl::Duration* total)
      : clock_(clock), total_(total), start_(clock.Monotonic()) {}
  ~StageTimer() { *total_ += clock_.Monotonic() - start_; }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  const Clock& clock_;
  absl::Duration* const total_;
  const absl::Duration start_;
};

int64_t Bytes(const engine::MemoryPlan& plan) {
  return plan.weight_bytes + plan.gradient_bytes + plan.optimizer_bytes + plan.activation_bytes +
         plan.logit_bytes + plan.workspace_bytes;
}

class AttemptRun {
 public:
  AttemptRun(const AttemptSpec& spec, const Roots& roots, engine::Engine& engine,
             const Clock& clock, const AttemptCallbacks& callbacks, const CancelToken& cancel)
      : spec_(spec),
        roots_(roots),
        engine_(engine),
        clock_(clock),
        callbacks_(callbacks),
        cancel_(cancel) {}

  absl::StatusOr<AttemptResult> Run() {
    absl::StatusOr<AttemptResult> result = RunStages();
    return result.ok() || member_ == nullptr ? std::move(result) : member_->Fail(result.status());
  }

 private:
  absl::StatusOr<AttemptResult> RunStages() {
    RWKU_RETURN_IF_ERROR(Enter(Stage::kLoad, 1));
    RWKU_RETURN_IF_ERROR(Load());
    RWKU_ASSIGN_OR_RETURN(member_, GangMember::Join(engine_, spec_.gang, cancel_));
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCorpus, 1));
    RWKU_RETURN_IF_ERROR(ReadCorpora());
    RWKU_RETURN_IF_ERROR(ReadProbes());
    RWKU_RETURN_IF_ERROR(AgreeOnInputs());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kUnlearn, 0));
    RWKU_RETURN_IF_ERROR(Unlearn());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kEvaluate, 0));
    if (result_.collapse.empty()) {  // else the last evaluation is the one that found it
      RWKU_RETURN_IF_ERROR(Evaluate(targets_.size(), 0));
    }
    RWKU_RETURN_IF_ERROR(member_->Leave());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCommit, 1));
    result_.metrics_version = evaluate::kMetricsVersion;
    return std::move(result_);
  }

  void Report(const Progress& progress) const {
    if (callbacks_.on_progress) {
      callbacks_.on_progress(progress);
    }
  }

  absl::Status Enter(Stage stage, int64_t total) const {
    RWKU_RETURN_IF_ERROR(cancel_.Check());
    Report({.stage = stage, .done = 0, .total = total, .loss = std::nullopt});
    return absl::OkStatus();
  }

  absl::Status Load() {
    const StageTimer timer(clock_, &result_.timings.load);
    // What costs nothing comes first: a wrong name should not wait for gigabytes.
    RWKU_ASSIGN_OR_RETURN(model_folder_, ResolveBelow(roots_.models, spec_.model, "model"));
    RWKU_ASSIGN_OR_RETURN(const std::filesystem::path data_folder,
                          ResolveBelow(roots_.datasets, spec_.dataset, "dataset"));
    RWKU_ASSIGN_OR_RETURN(data_, dataset::Dataset::Open(data_folder));
    RWKU_RETURN_IF_ERROR(FindTargets());
    if (Exports() && roots_.exports.empty()) {
      return MakeRoomForExport(roots_.exports, spec_.export_folder).status();
    }
    RWKU_ASSIGN_OR_RETURN(model_, LoadOriginal(spec_, model_folder_, engine_, cancel_, &result_));
    RWKU_ASSIGN_OR_RETURN(method_, methods::FindMethod(spec_.recipe.method, model_.family));
    return absl::OkStatus();
  }

  // Every rank has the same weights: one keeps them.
  bool Exports() const { return !spec_.export_folder.empty() && spec_.gang.rank == 0; }

  absl::Status FindTargets() {
    if (spec_.targets.empty()) {
      return absl::InvalidArgumentError("targets: none; a job needs at least one");
    }
    for (const AttemptTarget& wanted : spec_.targets) {
      RWKU_ASSIGN_OR_RETURN(const dataset::TargetInfo* target,
                            FindJobTarget(*data_, spec_, wanted));
      targets_.push_back(target);
    }
    return absl::OkStatus();
  }

  // What each training takes: of a sequence one a target, else one for all.
  absl::Status ReadCorpora() {
    const StageTimer timer(clock_, &result_.timings.corpus);
    if (method_.objective == methods::Objective::kNone) {
      return absl::OkStatus();
    }
    if (spec_.mode != TargetMode::kSequential) {
      return ReadCorpus(targets_);
    }
    for (const dataset::TargetInfo* target : targets_) {
      RWKU_RETURN_IF_ERROR(ReadCorpus({target}));
    }
    return absl::OkStatus();
  }

  absl::Status ReadCorpus(const std::vector<const dataset::TargetInfo*>& targets) {
    RWKU_ASSIGN_OR_RETURN(
        TrainingData data,
        ReadTrainingData(*data_, targets, method_, spec_.recipe, model_.family, spec_.seed));
    result_.corpus_texts += static_cast<int>(data.size());
    const TrainingSettings settings{.seed = spec_.seed,
                                    .micro_batch_halvings = spec_.micro_batch_halvings,
                                    .model_layers = model_.layers};
    RWKU_ASSIGN_OR_RETURN(engine::TrainingPlan plan,
                          MakeTrainingPlan(method_, spec_.recipe, settings, std::move(data)));
    plan.gang = member_->gang();
    plan.shard_optimizer_state = spec_.shard_optimizer_state;
    trainings_.push_back(std::move(plan));
    return absl::OkStatus();
  }

  // Before the training: bad data should not wait for it.
  absl::Status ReadProbes() {
    const StageTimer timer(clock_, &result_.timings.corpus);
    RWKU_ASSIGN_OR_RETURN(
        evaluations_,
        TargetEvaluations::Prepare(*data_, targets_, spec_, method_.uses_icu_prefix, cancel_));
    return absl::OkStatus();
  }

  absl::Status Unlearn() {
    const StageTimer timer(clock_, &result_.timings.unlearn);
    if (method_.steers) {
      return Steer();
    }
    for (size_t i = 0; i < trainings_.size(); ++i) {
      RWKU_RETURN_IF_ERROR(Train(trainings_[i]));
      if (i + 1 < trainings_.size()) {
        RWKU_RETURN_IF_ERROR(EvaluateOnTheWay(i + 1, static_cast<int>(i + 1)));
        RWKU_RETURN_IF_ERROR(Enter(Stage::kUnlearn, 0));
      }
    }
    if (Exports() && !trainings_.empty()) {
      RWKU_ASSIGN_OR_RETURN(const std::filesystem::path folder,
                            MakeRoomForExport(roots_.exports, spec_.export_folder));
      RWKU_RETURN_IF_ERROR(engine_.Export(folder, cancel_));
      result_.export_folder = spec_.export_folder;
    }
    return absl::OkStatus();
  }

  // Ranks that work on other inputs than each other would make a result of nothing in particular.
  absl::Status AgreeOnInputs() {
    if (member_->gang() == nullptr) {
      return absl::OkStatus();
    }
    RWKU_RETURN_IF_ERROR(AgreeOnModel(*member_, model_folder_, result_.original_weights_checksum));
    std::vector<std::string> steering;
    if (method_.steers) {
      for (const dataset::TargetInfo* target : targets_) {
        steering.insert(steering.end(), {target->name, target->intro});
      }
    }
    return member_->Agree(absl::StrCat(DigestOf(trainings_), DigestOf(steering)), "training texts");
  }

  absl::Status Steer() {
    if (targets_.size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat("recipe.method: \"", spec_.recipe.method,
                                                     "\" steers away from one target; found ",
                                                     targets_.size()));
    }
    const dataset::TargetInfo& target = *targets_.front();
    engine::SteeringPlan plan;
    plan.novice = protocol::NovicePrompt(target.intro, target.name);
    plan.expert = protocol::ExpertPrompt(target.intro, target.name);
    plan.strength = spec_.recipe.strength;
    if (spec_.recipe.layers.has_value()) {
      plan.layers = {.begin = spec_.recipe.layers->begin, .end = spec_.recipe.layers->end};
    }
    return engine_.Steer(plan, cancel_);
  }

  absl::Status Train(const engine::TrainingPlan& plan) {
    const int steps_before =
        result_.training_curve.empty() ? 0 : result_.training_curve.back().step;
    engine::TrainingCallbacks callbacks;
    callbacks.on_step = [this, steps_before](const engine::TrainingStep& step) {
      Report({.stage = Stage::kUnlearn,
              .done = steps_before + step.step,
              .total = steps_before + step.total_steps,
              .loss = step.loss});
      if (callbacks_.on_step) {
        callbacks_.on_step(step);
      }
    };
    if (spec_.evaluate_epochs) {
      callbacks.on_epoch = [this, &plan](int epoch) { return EvaluateEpoch(epoch, plan.epochs); };
    }
    RWKU_ASSIGN_OR_RETURN(engine::TrainingReport report, engine_.Train(plan, callbacks, cancel_));
    for (engine::TrainingStep step : report.steps) {
      step.step += steps_before;
      step.total_steps += steps_before;
      result_.training_curve.push_back(step);
    }
    result_.corpus_tokens += report.tokens_per_epoch;
    result_.reference_texts_computed += report.reference_texts_computed;
    result_.reference_texts_cached += report.reference_texts_cached;
    result_.trained_parameters = report.trained_parameters;
    if (!result_.memory.has_value() || Bytes(report.memory) > Bytes(*result_.memory)) {
      result_.memory = report.memory;
    }
    return absl::OkStatus();
  }

  // The last epoch's evaluation is the job's last one, which comes anyway.
  absl::StatusOr<engine::EpochVerdict> EvaluateEpoch(int epoch, int epochs) {
    if (epoch == epochs) {
      return engine::EpochVerdict::kContinue;
    }
    RWKU_RETURN_IF_ERROR(EvaluateOnTheWay(targets_.size(), epoch));
    if (!result_.collapse.empty()) {
      return engine::EpochVerdict::kStop;
    }
    RWKU_RETURN_IF_ERROR(Enter(Stage::kUnlearn, 0));
    return engine::EpochVerdict::kContinue;
  }

  // Inside of Unlearn(), whose time it does not count to.
  absl::Status EvaluateOnTheWay(size_t count, int checkpoint) {
    RWKU_RETURN_IF_ERROR(Enter(Stage::kEvaluate, 0));
    const absl::Duration before = result_.timings.evaluate;
    absl::Status status = Evaluate(count, checkpoint);
    result_.timings.unlearn -= result_.timings.evaluate - before;
    return status;
  }

  // Predictions of an epoch are held until it is known whether they are the last ones.
  absl::Status Evaluate(size_t count, int checkpoint) {
    const StageTimer timer(clock_, &result_.timings.evaluate);
    const bool may_collapse = spec_.evaluate_epochs && checkpoint > 0;
    std::vector<evaluate::Prediction> held;
    const evaluate::PredictionSink sink =
        [&](std::vector<evaluate::Prediction> predictions) -> absl::Status {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      for (evaluate::Prediction& prediction : predictions) {
        prediction.checkpoint = checkpoint;
      }
      if (!may_collapse) {
        return Give(std::move(predictions));
      }
      held.insert(held.end(), std::make_move_iterator(predictions.begin()),
                  std::make_move_iterator(predictions.end()));
      return absl::OkStatus();
    };
    const evaluate::ProgressCallback progress = [this](size_t done, size_t total) {
      Report({.stage = Stage::kEvaluate,
              .done = static_cast<int64_t>(done),
              .total = static_cast<int64_t>(total),
              .loss = std::nullopt});
    };
    RWKU_ASSIGN_OR_RETURN(evaluate::EvaluationSummary summary,
                          evaluations_.Run(count, member_->model(), sink, progress, cancel_));
    result_.usage.prompt_tokens += summary.usage.prompt_tokens;
    result_.usage.computed_prompt_tokens += summary.usage.computed_prompt_tokens;
    result_.usage.generated_tokens += summary.usage.generated_tokens;
    if (callbacks_.on_usage) {
      callbacks_.on_usage(summary.usage);
    }
    result_.word_tokenizer = std::move(summary.word_tokenizer);
    if (!may_collapse) {
      return absl::OkStatus();
    }
    if (const std::string why = FindCollapse(held); !why.empty()) {
      result_.collapse = absl::StrCat("after epoch ", checkpoint, ": ", why);
      result_.epochs_trained = checkpoint;
      for (evaluate::Prediction& prediction : held) {
        prediction.checkpoint = 0;
      }
    }
    return Give(std::move(held));
  }

  absl::Status Give(std::vector<evaluate::Prediction> predictions) const {
    return callbacks_.on_predictions && member_->leads()
               ? callbacks_.on_predictions(std::move(predictions))
               : absl::OkStatus();
  }

  const AttemptSpec& spec_;
  const Roots& roots_;
  engine::Engine& engine_;
  const Clock& clock_;
  const AttemptCallbacks& callbacks_;
  const CancelToken& cancel_;

  std::filesystem::path model_folder_;
  std::unique_ptr<dataset::Dataset> data_;
  std::vector<const dataset::TargetInfo*> targets_;  // data_ owns them
  engine::ModelInfo model_;
  std::unique_ptr<GangMember> member_;
  methods::MethodInfo method_;
  std::vector<engine::TrainingPlan> trainings_;
  TargetEvaluations evaluations_;
  AttemptResult result_;
};

}  // namespace

absl::StatusOr<AttemptResult> RunAttempt(const AttemptSpec& spec, const Roots& roots,
                                         engine::Engine& engine, const Clock& clock,
                                         const AttemptCallbacks& callbacks,
                                         const CancelToken& cancel) {
  if (spec.corpus.has_value()) {
    return GenerateCorpus(spec, roots, engine, clock, callbacks, cancel);
  }
  return AttemptRun(spec, roots, engine, clock, callbacks, cancel).Run();
}

}  // namespace rwku::job
