#include "worker/job/run_attempt.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/evaluate.h"
#include "benchmark/evaluate/score_prediction.h"
#include "benchmark/methods/registry.h"
#include "worker/job/generate_corpus.h"
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
    RWKU_RETURN_IF_ERROR(Enter(Stage::kLoad, 1));
    RWKU_RETURN_IF_ERROR(Load());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCorpus, 1));
    RWKU_RETURN_IF_ERROR(ReadCorpus());
    RWKU_RETURN_IF_ERROR(ReadProbes());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kUnlearn, 0));
    RWKU_RETURN_IF_ERROR(Unlearn());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kEvaluate, 0));
    RWKU_RETURN_IF_ERROR(Evaluate());
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCommit, 1));
    return std::move(result_);
  }

 private:
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
    RWKU_ASSIGN_OR_RETURN(const std::filesystem::path model_folder,
                          ResolveBelow(roots_.models, spec_.model, "model"));
    RWKU_ASSIGN_OR_RETURN(const std::filesystem::path data_folder,
                          ResolveBelow(roots_.datasets, spec_.dataset, "dataset"));
    RWKU_ASSIGN_OR_RETURN(data_, dataset::Dataset::Open(data_folder));
    RWKU_ASSIGN_OR_RETURN(target_, data_->FindTarget(spec_.target));
    if (spec_.target_number != 0 && spec_.target_number != target_->number) {
      return absl::FailedPreconditionError(
          absl::StrCat("target \"", spec_.target, "\": number ", target_->number, " in dataset \"",
                       spec_.dataset, "\" of this worker, ", spec_.target_number, " in the job"));
    }
    RWKU_ASSIGN_OR_RETURN(model_, engine_.Load(model_folder, cancel_));
    result_.original_weights_checksum = model_.weights_checksum;
    if (absl::Status status = Restore(); !status.ok()) {
      engine_.Unload();  // what is in memory is good for no attempt
      return status;
    }
    RWKU_ASSIGN_OR_RETURN(method_, methods::FindMethod(spec_.recipe.method, model_.family));
    return absl::OkStatus();
  }

  absl::Status Restore() {
    RWKU_ASSIGN_OR_RETURN(result_.restored_weights_checksum, engine_.Restore());
    if (result_.restored_weights_checksum != result_.original_weights_checksum) {
      return absl::InternalError(absl::StrCat(
          "model \"", spec_.model, "\": the restored weights have the checksum ",
          result_.restored_weights_checksum, ", the original ones ",
          result_.original_weights_checksum, "; the next attempt loads the model anew"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadCorpus() {
    const StageTimer timer(clock_, &result_.timings.corpus);
    RWKU_ASSIGN_OR_RETURN(training_data_, ReadTrainingData(*data_, {target_}, method_, spec_.recipe,
                                                           model_.family, spec_.seed));
    result_.corpus_texts = static_cast<int>(training_data_.size());
    return absl::OkStatus();
  }

  // Before the training: bad data should not wait for it.
  absl::Status ReadProbes() {
    const StageTimer timer(clock_, &result_.timings.corpus);
    evaluate::EvaluateOptions options;
    if (method_.uses_icu_prefix) {
      options.icu_subject = target_->name;
    }
    options.single_bos = spec_.single_bos;
    options.stop_at_newline = spec_.stop_at_newline;
    RWKU_ASSIGN_OR_RETURN(
        evaluate::Evaluation evaluation,
        evaluate::Evaluation::Prepare(*data_, *target_, spec_.probe_sets, options, cancel_));
    evaluation_ = std::move(evaluation);
    return absl::OkStatus();
  }

  absl::Status Unlearn() {
    const StageTimer timer(clock_, &result_.timings.unlearn);
    if (method_.objective == methods::Objective::kNone) {
      return absl::OkStatus();
    }
    const TrainingSettings settings{.seed = spec_.seed,
                                    .micro_batch_halvings = spec_.micro_batch_halvings,
                                    .model_layers = model_.layers};
    RWKU_ASSIGN_OR_RETURN(
        const engine::TrainingPlan plan,
        MakeTrainingPlan(method_, spec_.recipe, settings, std::move(training_data_)));
    RWKU_ASSIGN_OR_RETURN(engine::TrainingReport report,
                          engine_.Train(plan,
                                        {.on_step =
                                             [this](const engine::TrainingStep& step) {
                                               Report({.stage = Stage::kUnlearn,
                                                       .done = step.step,
                                                       .total = step.total_steps,
                                                       .loss = step.loss});
                                             },
                                         .on_epoch = nullptr},
                                        cancel_));
    result_.training_curve = std::move(report.steps);
    result_.corpus_tokens = report.tokens_per_epoch;
    return absl::OkStatus();
  }

  absl::Status Evaluate() {
    const StageTimer timer(clock_, &result_.timings.evaluate);
    const evaluate::PredictionSink sink = [this](std::vector<evaluate::Prediction> predictions) {
      RWKU_RETURN_IF_ERROR(cancel_.Check());
      return callbacks_.on_predictions ? callbacks_.on_predictions(std::move(predictions))
                                       : absl::OkStatus();
    };
    const evaluate::ProgressCallback progress = [this](size_t done, size_t total) {
      Report({.stage = Stage::kEvaluate,
              .done = static_cast<int64_t>(done),
              .total = static_cast<int64_t>(total),
              .loss = std::nullopt});
    };
    RWKU_ASSIGN_OR_RETURN(evaluate::EvaluationSummary summary,
                          std::move(*evaluation_).Run(engine_.model(), sink, progress, cancel_));
    result_.usage = summary.usage;
    result_.metrics_version = evaluate::kMetricsVersion;
    result_.word_tokenizer = std::move(summary.word_tokenizer);
    return absl::OkStatus();
  }

  const AttemptSpec& spec_;
  const Roots& roots_;
  engine::Engine& engine_;
  const Clock& clock_;
  const AttemptCallbacks& callbacks_;
  const CancelToken& cancel_;

  std::unique_ptr<dataset::Dataset> data_;
  const dataset::TargetInfo* target_ = nullptr;  // data_ owns it
  engine::ModelInfo model_;
  methods::MethodInfo method_;
  TrainingData training_data_;
  std::optional<evaluate::Evaluation> evaluation_;
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
