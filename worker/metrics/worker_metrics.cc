#include "worker/metrics/worker_metrics.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

#include "benchmark/methods/registry.h"
#include "net/metrics/sample.h"

namespace rwku::metrics {
namespace {

using net::AddSample;
using net::Gauge;
using net::GaugeFamily;
using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using Buckets = prometheus::Histogram::BucketBoundaries;

constexpr char kOther[] = "other";

// Seconds: from a tiny model's step on a CPU to the unlearning of a large one.
Buckets StepBuckets() { return {0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100}; }
Buckets StageBuckets() { return {0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000}; }

std::string FailureName(job::FailureClass failure) {
  switch (failure) {
    case job::FailureClass::kInfrastructure:
      return "infrastructure";
    case job::FailureClass::kResource:
      return "resource";
    case job::FailureClass::kNumeric:
      return "numeric";
    case job::FailureClass::kInput:
      return "input";
    case job::FailureClass::kInternal:
      break;
  }
  return "internal";
}

prometheus::Counter& OneCounter(prometheus::Registry& registry, const std::string& name,
                                const std::string& help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& OneGauge(prometheus::Registry& registry, const std::string& name,
                            const std::string& help) {
  return BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

std::map<std::string, prometheus::Counter*> ByMethod(
    prometheus::Family<prometheus::Counter>& family) {
  std::map<std::string, prometheus::Counter*> counters;
  for (const methods::MethodInfo& method : methods::ListMethods("llama")) {
    counters[method.name] = &family.Add({{"method", method.name}});
  }
  counters[kOther] = &family.Add({{"method", kOther}});
  return counters;
}

// The method's counter, or that of the others.
prometheus::Counter& Of(const std::map<std::string, prometheus::Counter*>& by_method,
                        const std::string& method) {
  const auto found = by_method.find(method);
  return *(found == by_method.end() ? by_method.at(kOther) : found->second);
}

// Of what all ranks of the attempt's gang did together, the part to count here.
double ShareOf(const job::AttemptSpec& spec) { return 1.0 / std::max(1, spec.gang.world_size); }

}  // namespace

// Sees the callbacks of one attempt, all on its thread.
class WorkerMetrics::Watch {
 public:
  Watch(WorkerMetrics* metrics, const job::AttemptSpec& spec, const job::AttemptCallbacks& inner)
      : metrics_(metrics), spec_(spec), inner_(inner), since_(Now()), last_step_(since_) {}
  ~Watch() { Leave(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  job::AttemptCallbacks Callbacks() {
    job::AttemptCallbacks callbacks;
    callbacks.on_progress = [this](const job::Progress& progress) {
      Enter(progress.stage);
      if (inner_.on_progress) {
        inner_.on_progress(progress);
      }
    };
    callbacks.on_step = [this](const engine::TrainingStep& step) {
      const absl::Duration now = Now();
      metrics_->OnStep(spec_, step, now - last_step_);
      last_step_ = now;
      if (inner_.on_step) {
        inner_.on_step(step);
      }
    };
    callbacks.on_usage = [this](const evaluate::Usage& usage) {
      metrics_->OnUsage(spec_, usage);
      if (inner_.on_usage) {
        inner_.on_usage(usage);
      }
    };
    callbacks.on_predictions = [this](std::vector<evaluate::Prediction> predictions) {
      metrics_->predictions_.Increment(static_cast<double>(predictions.size()));
      return inner_.on_predictions ? inner_.on_predictions(std::move(predictions))
                                   : absl::OkStatus();
    };
    callbacks.on_texts = inner_.on_texts;
    return callbacks;
  }

 private:
  absl::Duration Now() const { return metrics_->clock_->Monotonic(); }

  void Enter(job::Stage stage) {
    if (stage_ == stage) {
      return;
    }
    Leave();
    stage_ = stage;
    last_step_ = since_;  // the first step's time is counted from here
    metrics_->stage_.at(stage)->Set(1);
  }

  void Leave() {
    const absl::Duration now = Now();
    if (stage_.has_value()) {
      metrics_->OnStage(*stage_, now - since_);
    }
    stage_.reset();
    since_ = now;
  }

  WorkerMetrics* const metrics_;
  const job::AttemptSpec& spec_;
  const job::AttemptCallbacks& inner_;
  std::optional<job::Stage> stage_;
  absl::Duration since_;  // in this stage
  absl::Duration last_step_;
};

WorkerMetrics::WorkerMetrics(const WorkerIdentity& identity, const Clock* clock)
    : identity_(identity),
      clock_(clock),
      nvml_(Nvml::Open(identity.device)),
      step_duration_(BuildHistogram()
                         .Name("rwku_worker_training_step_duration_seconds")
                         .Help("Time of an optimizer step, with the evaluation before it if any.")
                         .Register(registry_)
                         .Add({}, StepBuckets())),
      loss_(OneGauge(registry_, "rwku_worker_training_loss", "Loss of the newest training step.")),
      gradient_norm_(OneGauge(registry_, "rwku_worker_training_gradient_norm",
                              "Global L2 norm of the newest step's gradient, before clipping.")),
      prompt_computed_(OneCounter(registry_, "rwku_worker_prompt_tokens_computed_total",
                                  "Prompt tokens that went through the model.")),
      prompt_shared_(OneCounter(registry_, "rwku_worker_prompt_tokens_shared_total",
                                "Prompt tokens that were not computed: they belong to a prefix "
                                "shared with another sequence.")),
      generated_(OneCounter(registry_, "rwku_worker_generated_tokens_total",
                            "Tokens that the model generated.")),
      predictions_(OneCounter(registry_, "rwku_worker_predictions_total",
                              "Predictions made, those of attempts that failed later among them.")),
      model_loads_(
          OneCounter(registry_, "rwku_worker_model_loads_total",
                     "Times that a model was read from disk, by attempts that succeeded.")),
      reference_hits_(OneCounter(registry_, "rwku_worker_reference_cache_hits_total",
                                 "Texts whose loss under the original model was known.")),
      reference_misses_(OneCounter(registry_, "rwku_worker_reference_cache_misses_total",
                                   "Texts whose loss under the original model was computed.")) {
  auto& attempts = BuildCounter()
                       .Name("rwku_worker_attempts_total")
                       .Help("Attempts that ended on this worker, by outcome.")
                       .Register(registry_);
  for (const char* outcome :
       {"succeeded", "infrastructure", "resource", "numeric", "input", "internal", "cancelled"}) {
    attempts_[outcome] = &attempts.Add({{"outcome", outcome}});
  }
  targets_done_ = ByMethod(BuildCounter()
                               .Name("rwku_worker_targets_done_total")
                               .Help("Targets of attempts that succeeded, by unlearning method.")
                               .Register(registry_));
  training_steps_ = ByMethod(BuildCounter()
                                 .Name("rwku_worker_training_steps_total")
                                 .Help("Optimizer steps, by unlearning method.")
                                 .Register(registry_));
  training_tokens_ =
      ByMethod(BuildCounter()
                   .Name("rwku_worker_training_tokens_total")
                   .Help("Tokens of forget items trained on, by unlearning method; of a gang, "
                         "this worker's share.")
                   .Register(registry_));
  auto& durations = BuildHistogram()
                        .Name("rwku_worker_stage_duration_seconds")
                        .Help("Time that an attempt spent in a stage without leaving it.")
                        .Register(registry_);
  auto& stages = BuildGauge()
                     .Name("rwku_worker_stage")
                     .Help("1 for the stage that the running attempt is in.")
                     .Register(registry_);
  for (const job::Stage stage : {job::Stage::kLoad, job::Stage::kCorpus, job::Stage::kUnlearn,
                                 job::Stage::kEvaluate, job::Stage::kCommit}) {
    const std::string name(job::StageName(stage));
    stage_duration_[stage] = &durations.Add({{"stage", name}}, StageBuckets());
    stage_[stage] = &stages.Add({{"stage", name}});
  }
  auto& plan = BuildGauge()
                   .Name("rwku_worker_memory_plan_bytes")
                   .Help(
                       "What the newest training that ended needed, by part, and what the device "
                       "had.")
                   .Register(registry_);
  for (const char* part :
       {"weights", "gradients", "optimizer", "activations", "logits", "workspace", "available"}) {
    memory_plan_[part] = &plan.Add({{"part", part}});
  }
}

WorkerMetrics::~WorkerMetrics() = default;

void WorkerMetrics::SetLink(std::function<LinkState()> link) {
  absl::MutexLock lock(&mu_);
  link_ = std::move(link);
}

job::AttemptRunner WorkerMetrics::Count(job::AttemptRunner runner) {
  return [this, runner = std::move(runner)](
             const job::AttemptSpec& spec, const job::AttemptCallbacks& callbacks,
             const CancelToken& cancel) -> absl::StatusOr<job::AttemptResult> {
    absl::StatusOr<job::AttemptResult> result;
    {
      Watch watch(this, spec, callbacks);
      result = runner(spec, watch.Callbacks(), cancel);
    }
    OnEnd(spec, result, cancel.cancelled());
    return result;
  };
}

void WorkerMetrics::OnStep(const job::AttemptSpec& spec, const engine::TrainingStep& step,
                           absl::Duration took) {
  Of(training_steps_, spec.recipe.method).Increment();
  Of(training_tokens_, spec.recipe.method)
      .Increment(ShareOf(spec) * static_cast<double>(step.tokens));
  step_duration_.Observe(absl::ToDoubleSeconds(took));
  loss_.Set(step.loss);
  gradient_norm_.Set(step.gradient_norm);
}

void WorkerMetrics::OnStage(job::Stage stage, absl::Duration took) {
  stage_.at(stage)->Set(0);
  stage_duration_.at(stage)->Observe(absl::ToDoubleSeconds(took));
}

// Of a gang every rank is told of what all ranks did, here and in OnStep and OnResult.
void WorkerMetrics::OnUsage(const job::AttemptSpec& spec, const evaluate::Usage& usage) {
  const double share = ShareOf(spec);
  prompt_computed_.Increment(share * static_cast<double>(usage.computed_prompt_tokens));
  prompt_shared_.Increment(share * static_cast<double>(std::max<int64_t>(
                                       0, usage.prompt_tokens - usage.computed_prompt_tokens)));
  generated_.Increment(share * static_cast<double>(usage.generated_tokens));
}

void WorkerMetrics::OnEnd(const job::AttemptSpec& spec,
                          const absl::StatusOr<job::AttemptResult>& result, bool cancelled) {
  if (!result.ok()) {
    attempts_.at(cancelled ? "cancelled" : FailureName(job::Classify(result.status())))
        ->Increment();
    return;
  }
  attempts_.at("succeeded")->Increment();
  if (!spec.corpus.has_value() && spec.gang.rank == 0) {
    Of(targets_done_, spec.recipe.method).Increment(static_cast<double>(spec.targets.size()));
  }
  OnResult(spec, *result);
}

void WorkerMetrics::OnResult(const job::AttemptSpec& spec, const job::AttemptResult& result) {
  model_loads_.Increment(result.model_loads);
  reference_hits_.Increment(ShareOf(spec) * result.reference_texts_cached);
  reference_misses_.Increment(ShareOf(spec) * result.reference_texts_computed);
  if (result.memory.has_value()) {
    const engine::MemoryPlan& memory = *result.memory;
    memory_plan_.at("weights")->Set(static_cast<double>(memory.weight_bytes));
    memory_plan_.at("gradients")->Set(static_cast<double>(memory.gradient_bytes));
    memory_plan_.at("optimizer")->Set(static_cast<double>(memory.optimizer_bytes));
    memory_plan_.at("activations")->Set(static_cast<double>(memory.activation_bytes));
    memory_plan_.at("logits")->Set(static_cast<double>(memory.logit_bytes));
    memory_plan_.at("workspace")->Set(static_cast<double>(memory.workspace_bytes));
    memory_plan_.at("available")->Set(static_cast<double>(memory.available_bytes));
  }
}

std::vector<prometheus::MetricFamily> WorkerMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  prometheus::MetricFamily info =
      GaugeFamily("rwku_worker_info", "1; the worker's name, device and version.");
  AddSample(
      &info,
      {{"worker", identity_.worker}, {"device", identity_.device}, {"version", identity_.version}},
      1);
  families.push_back(std::move(info));
  {
    absl::MutexLock lock(&mu_);
    if (link_ != nullptr) {
      const LinkState link = link_();
      families.push_back(Gauge("rwku_worker_connected",
                               "1 while the coordinator has welcomed this worker.",
                               link.connected ? 1 : 0));
      families.push_back(
          Gauge("rwku_worker_draining", "1 once it takes no new leases.", link.draining ? 1 : 0));
      families.push_back(Gauge("rwku_worker_leases", "Leases that it holds.", link.leases));
    }
  }
  const std::optional<DeviceUse> use = nvml_ == nullptr ? std::nullopt : nvml_->Read();
  if (use.has_value()) {
    families.push_back(Gauge("rwku_worker_device_memory_used_bytes",
                             "Memory of the GPU in use, by every process.",
                             static_cast<double>(use->memory_used_bytes)));
    families.push_back(Gauge("rwku_worker_device_memory_size_bytes", "Memory of the GPU.",
                             static_cast<double>(use->memory_total_bytes)));
    if (use->utilization.has_value()) {
      families.push_back(Gauge("rwku_worker_device_utilization_ratio",
                               "Share of the newest sample, 0 to 1, with work on the GPU.",
                               *use->utilization));
    }
  }
  return families;
}

}  // namespace rwku::metrics
