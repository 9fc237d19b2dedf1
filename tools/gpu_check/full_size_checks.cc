#include "tools/gpu_check/full_size_checks.h"

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "tools/gpu_check/device.h"
#include "tools/gpu_check/evaluation_requests.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/checksum.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/score/score.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/original.h"
#include "worker/engine/train/train.h"

namespace rwku::gpu_check {
namespace {

using engine::CausalLm;
using engine::TrainingPlan;
using engine::TrainingReport;

constexpr int32_t kEos = 4;
constexpr size_t kBatches[] = {1, 64, 128, 353};
// What is allocated beyond the plan before a stage fails, relative.
constexpr double kPlanTolerance = 0.05;

engine::ModelConfig ShapeOf(bool is_tiny) {
  engine::ModelConfig config;
  config.hidden_size = is_tiny ? 64 : 4096;
  config.intermediate_size = is_tiny ? 160 : 14'336;
  config.num_hidden_layers = is_tiny ? 2 : 32;
  config.num_attention_heads = is_tiny ? 4 : 32;
  config.num_key_value_heads = is_tiny ? 2 : 8;
  config.head_dim = is_tiny ? 16 : 128;
  config.vocab_size = is_tiny ? 512 : 128'256;
  config.max_position_embeddings = 8192;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 500'000;
  config.bos_token_id = 0;
  config.eos_token_ids = {kEos};
  config.torch_dtype = "bfloat16";
  return config;
}

int64_t BytesOf(const CausalLm& model) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : model.NamedParameters()) {
    bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

double Gigabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

class FullSize {
 public:
  FullSize(FullSizeOptions options, at::Device device)
      : options_(std::move(options)), device_(device) {}
  FullSize(const FullSize&) = delete;
  FullSize& operator=(const FullSize&) = delete;
  ~FullSize() {
    std::error_code ignored;
    std::filesystem::remove_all(Folder(), ignored);
  }

  absl::Status Make(Figures& figures) {
    const Stopwatch watch(device_);
    const at::AutoGradMode no_grad(false);
    at::manual_seed(1);
    model_ = std::make_unique<CausalLm>(ShapeOf(options_.is_tiny), device_, at::kBFloat16);
    int64_t parameters = 0;
    for (const auto& [name, tensor] : model_->NamedParameters()) {
      parameters += tensor.numel();
      if (absl::EndsWith(name, "norm.weight")) {
        tensor.fill_(1);
      } else {
        tensor.normal_(0, 0.02);
      }
    }
    parameters_ = parameters;
    figures["parameters"] = parameters;
    figures["weight_gb"] = Gigabytes(BytesOf(*model_));
    figures["make_seconds"] = watch.Seconds();
    return absl::OkStatus();
  }

  absl::Status Load(Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    checksum_ = engine::WeightsChecksum(model_->NamedParameters());
    std::error_code error;
    std::filesystem::create_directories(Folder(), error);
    const std::filesystem::space_info space = std::filesystem::space(Folder(), error);
    const int64_t bytes = BytesOf(*model_);
    if (error || space.available < static_cast<uintmax_t>(bytes + bytes / 10)) {
      return absl::FailedPreconditionError(
          absl::StrCat(Folder().string(), ": ", bytes, " bytes of weights do not fit: ",
                       error ? error.message() : absl::StrCat(space.available, " are free")));
    }
    Stopwatch watch(device_);
    RWKU_RETURN_IF_ERROR(
        engine::SaveSafetensors(model_->NamedParameters(), Folder() / "model.safetensors"));
    RWKU_RETURN_IF_ERROR(
        WriteFileAtomically(Folder() / "config.json", engine::ModelConfigToJson(model_->config())));
    figures["write_seconds"] = watch.Seconds();
    model_.reset();
    EmptyCache(device_);
    watch.Restart();
    RWKU_ASSIGN_OR_RETURN(model_, engine::LoadCausalLm(Folder(), device_, at::kBFloat16, &stored_));
    const double seconds = watch.Seconds();
    figures["load_seconds"] = seconds;
    figures["load_gb_per_second"] = Gigabytes(bytes) / seconds;
    watch.Restart();
    const std::string loaded = engine::WeightsChecksum(model_->NamedParameters());
    figures["checksum_seconds"] = watch.Seconds();
    std::filesystem::remove_all(Folder(), error);
    return loaded == checksum_ ? absl::OkStatus()
                               : absl::DataLossError("what was loaded is not what was written");
  }

  absl::Status Restore(Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    if (stored_.empty()) {
      return absl::FailedPreconditionError("no weights were loaded");
    }
    {
      const at::AutoGradMode no_grad(false);
      model_->final_norm.fill_(2);
    }
    const Stopwatch watch(device_);
    CopyBack();
    const double seconds = watch.Seconds();
    figures["restore_seconds"] = seconds;
    figures["restore_gb_per_second"] = Gigabytes(BytesOf(*model_)) / seconds;
    return engine::WeightsChecksum(model_->NamedParameters()) == checksum_
               ? absl::OkStatus()
               : absl::DataLossError("the restored weights are not the original's");
  }

  absl::Status TrainFull(Figures& figures) {
    TrainingPlan plan = Plan(engine::Objective::kGradientAscent);
    const absl::Status status = Train(plan, figures);
    // Whatever became of it, the stages after it want the weights as they were.
    if (model_ != nullptr && !stored_.empty()) {
      CopyBack();
    }
    return status;
  }

  absl::Status TrainLora(Figures& figures) {
    TrainingPlan plan = Plan(engine::Objective::kNpo);
    plan.trained = engine::TrainedWeights::kLora;
    plan.learning_rate = 1e-5;
    plan.beta = 0.1;
    const absl::Status status = Train(plan, figures);
    if (model_ != nullptr) {
      model_->RemoveAdapters();
    }
    return status;
  }

  absl::Status References(Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    const CancelToken cancel;
    const TrainingPlan plan = Plan(engine::Objective::kNpo);
    RWKU_ASSIGN_OR_RETURN(const std::vector<engine::TrainingSequence> sequences,
                          TokenizeTexts("texts", plan.texts, plan.cutoff_tokens, Tokenizer(),
                                        model_->config().vocab_size));
    int64_t tokens = 0;
    for (const engine::TrainingSequence& sequence : sequences) {
      tokens += static_cast<int64_t>(sequence.tokens.size());
    }
    const Stopwatch watch(device_);
    RWKU_RETURN_IF_ERROR(ComputeReferenceNlls(*model_, sequences, {}, cancel).status());
    const double seconds = watch.Seconds();
    figures["texts"] = sequences.size();
    figures["tokens"] = tokens;
    figures["tokens_per_second"] = static_cast<double>(tokens) / seconds;
    return absl::OkStatus();
  }

  absl::Status Decode(size_t batch, Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    const size_t prompt_tokens = options_.is_tiny ? 24 : 256;
    const int new_tokens = options_.is_tiny ? 8 : 64;
    const auto prompts = RandomPrompts(model_->config().vocab_size, batch, prompt_tokens);
    const int64_t capacity = static_cast<int64_t>(prompt_tokens) + new_tokens + 64;
    const int64_t bytes = CacheBytes(static_cast<int64_t>(batch) * capacity);
    engine::TorchRunner runner(*model_, {}, bytes);
    ResetPeak(device_);
    const auto seconds_for = [&](int tokens) -> absl::StatusOr<double> {
      std::vector<engine::DecodeRequest> requests;
      for (const std::vector<int32_t>& prompt : prompts) {
        requests.push_back({prompt, tokens, {}});
      }
      const CancelToken cancel;
      evaluate::Usage usage;
      const Stopwatch watch(device_);
      RWKU_RETURN_IF_ERROR(
          GenerateTokens(runner, requests,
                         {.max_batch = static_cast<int>(batch), .caches = {.bytes = bytes}},
                         nullptr, cancel, usage)
              .status());
      return watch.Seconds();
    };
    RWKU_RETURN_IF_ERROR(seconds_for(2).status());  // whatever happens only once
    RWKU_ASSIGN_OR_RETURN(const double prefill, seconds_for(1));
    RWKU_ASSIGN_OR_RETURN(const double all, seconds_for(1 + new_tokens));
    const double step = (all - prefill) / new_tokens;
    // Every step reads the weights but the embedding, and the keys and values so far.
    const int64_t read = BytesOf(*model_) - static_cast<int64_t>(model_->embedding.nbytes()) +
                         runner.CacheBytes(static_cast<int64_t>(batch * prompt_tokens) +
                                           static_cast<int64_t>(batch) * new_tokens / 2);
    figures["batch"] = batch;
    figures["prompt_tokens"] = batch * prompt_tokens;
    figures["prefill_seconds"] = prefill;
    figures["prefill_tokens_per_second"] = static_cast<double>(batch * prompt_tokens) / prefill;
    figures["step_milliseconds"] = step * 1e3;
    figures["decode_tokens_per_second"] = static_cast<double>(batch) / step;
    figures["decode_gb_per_second"] = Gigabytes(read) / step;
    figures["peak_gb"] = Gigabytes(PeakBytes(device_));
    return absl::OkStatus();
  }

  absl::Status Evaluate(Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    const EvaluationRequests requests =
        MakeEvaluation(model_->config().vocab_size, options_.is_tiny ? 0.05 : 1);
    const int64_t bytes = CacheBytes(options_.is_tiny ? 20'000 : 300'000);
    const engine::CacheOptions caches{.bytes = bytes, .pass_tokens = 8192};
    engine::TorchRunner runner(*model_, {}, bytes);
    const CancelToken cancel;
    evaluate::Usage usage;
    ResetPeak(device_);
    Stopwatch watch(device_);
    RWKU_ASSIGN_OR_RETURN(const auto texts, GenerateTokens(runner, requests.generations,
                                                           {.max_batch = 384, .caches = caches},
                                                           nullptr, cancel, usage));
    const double generation = watch.Seconds();
    watch.Restart();
    RWKU_RETURN_IF_ERROR(
        ScoreTokens(runner, requests.scores, requests.scores.size(), caches, nullptr, cancel, usage)
            .status());
    const double scoring = watch.Seconds();
    size_t new_tokens = 0;
    for (const std::vector<int32_t>& text : texts) {
      new_tokens += text.size();
    }
    figures["generations"] = requests.generations.size();
    figures["new_tokens"] = new_tokens;
    figures["generation_seconds"] = generation;
    figures["scores"] = requests.scores.size();
    figures["scoring_seconds"] = scoring;
    figures["evaluation_seconds"] = generation + scoring;
    figures["prompt_tokens"] = usage.prompt_tokens;
    figures["computed_prompt_tokens"] = usage.computed_prompt_tokens;
    figures["peak_gb"] = Gigabytes(PeakBytes(device_));
    return absl::OkStatus();
  }

 private:
  std::filesystem::path Folder() const { return options_.scratch / "rwku-gpu-check-weights"; }

  absl::Status NeedsModel() const {
    return model_ != nullptr ? absl::OkStatus()
                             : absl::FailedPreconditionError("an earlier stage left no model");
  }

  engine::NumberTokenizer Tokenizer() const {
    return {static_cast<int>(model_->config().vocab_size), kEos};
  }

  // Keys and values in the model's dtype.
  int64_t CacheBytes(int64_t positions) const {
    const engine::ModelConfig& config = model_->config();
    return positions * 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim *
           static_cast<int64_t>(c10::elementSize(model_->compute_dtype()));
  }

  void CopyBack() {
    const at::AutoGradMode no_grad(false);
    const auto parameters = model_->NamedParameters();
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].second.copy_(stored_[i], /*non_blocking=*/true);
    }
  }

  // Some steps over texts of a target's length.
  TrainingPlan Plan(engine::Objective objective) const {
    const int batch = options_.is_tiny ? 2 : 8;
    const int steps = 5;
    const int tokens = options_.is_tiny ? 12 : 330;
    TrainingPlan plan;
    plan.objective = objective;
    plan.learning_rate = 3e-8;
    plan.warmup_steps = 0;
    plan.batch_size = batch;
    plan.epochs = 1;
    Random random(1, "texts");
    for (int i = 0; i < batch * steps; ++i) {
      std::string text;
      for (int t = 0; t < tokens; ++t) {
        absl::StrAppend(&text, t == 0 ? "" : " ",
                        5 + random.Below(options_.is_tiny ? 500 : 128'000));
      }
      plan.texts.push_back(std::move(text));
    }
    return plan;
  }

  absl::Status Train(const TrainingPlan& plan, Figures& figures) {
    RWKU_RETURN_IF_ERROR(NeedsModel());
    EmptyCache(device_);
    ResetPeak(device_);
    const int64_t before = AllocatedBytes(device_);
    const CancelToken cancel;
    std::vector<double> ends;
    std::vector<int64_t> tokens;
    const Stopwatch watch(device_);
    const engine::TrainingCallbacks callbacks{.on_step =
                                                  [&](const engine::TrainingStep& step) {
                                                    ends.push_back(watch.Seconds());
                                                    tokens.push_back(step.tokens);
                                                  },
                                              .on_epoch = nullptr};
    const absl::StatusOr<TrainingReport> report =
        TrainModel(*model_, Tokenizer(), plan, callbacks, cancel);
    const int64_t peak = PeakBytes(device_);
    figures["peak_gb"] = Gigabytes(peak);
    RWKU_RETURN_IF_ERROR(report.status());
    // The first step also makes what stays: moments, libraries' workspaces.
    const double seconds = (ends.back() - ends.front()) / static_cast<double>(ends.size() - 1);
    const auto tokens_per_step = static_cast<double>(tokens.back());
    const double flops_per_token = (plan.trained == engine::TrainedWeights::kFull ? 6.0 : 4.0) *
                                   static_cast<double>(parameters_ - model_->embedding.numel());
    const engine::MemoryPlan& memory = report->memory;
    const int64_t planned = before + memory.gradient_bytes + memory.optimizer_bytes +
                            memory.activation_bytes + memory.logit_bytes + memory.workspace_bytes;
    figures["steps"] = ends.size();
    figures["first_step_seconds"] = ends.front();
    figures["step_seconds"] = seconds;
    figures["tokens_per_step"] = tokens_per_step;
    figures["tokens_per_second"] = tokens_per_step / seconds;
    figures["tflops"] = flops_per_token * tokens_per_step / seconds / 1e12;
    figures["references_computed"] = report->reference_texts_computed;
    figures["micro_batch_texts"] = memory.micro_batch_texts;
    figures["planned_gb"] = Gigabytes(planned);
    figures["last_loss"] = report->steps.back().loss;
    if (static_cast<double>(peak) > (1 + kPlanTolerance) * static_cast<double>(planned)) {
      return absl::DataLossError(
          absl::StrCat("the training took ", peak, " bytes, planned were ", planned));
    }
    return absl::OkStatus();
  }

  const FullSizeOptions options_;
  const at::Device device_;
  std::unique_ptr<CausalLm> model_;
  std::vector<at::Tensor> stored_;  // as loaded, on the host
  std::string checksum_;
  int64_t parameters_ = 0;
};

}  // namespace

std::vector<Stage> FullSizeChecks(const FullSizeOptions& options, at::Device device,
                                  const std::string& skipped) {
  const auto shared = std::make_shared<FullSize>(options, device);
  const std::string size = options.is_tiny ? "tiny" : "8b";
  std::vector<Stage> stages;
  const auto add = [&](const std::string& name, absl::Status (FullSize::*method)(Figures&)) {
    stages.push_back({absl::StrCat(size, "-", name), skipped,
                      [shared, method](Figures& figures) { return ((*shared).*method)(figures); }});
  };
  add("make", &FullSize::Make);
  add("load", &FullSize::Load);
  add("restore", &FullSize::Restore);
  add("references", &FullSize::References);
  for (const size_t batch : kBatches) {
    stages.push_back(
        {absl::StrCat(size, "-decode-", batch), skipped,
         [shared, batch](Figures& figures) { return shared->Decode(batch, figures); }});
  }
  add("evaluation", &FullSize::Evaluate);
  add("train-npo-lora", &FullSize::TrainLora);
  add("train-ga-full", &FullSize::TrainFull);
  return stages;
}

}  // namespace rwku::gpu_check
