#include "worker/engine/torch_engine.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/empty.h>

#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "text/tokenizer.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/checksum.h"
#include "worker/engine/model/export.h"
#include "worker/engine/parallel/c10d_gang.h"
#include "worker/engine/resident.h"
#include "worker/engine/steering.h"
#include "worker/engine/torch_language_model.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/reference_nll_cache.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {

namespace {

// What a folder holds, as far as the file system tells without reading it. Equal identities: the
// same model.
std::string FolderIdentity(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(folder, error);
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator entry(canonical, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(entry->path(), ignored);
    const auto time = std::filesystem::last_write_time(entry->path(), ignored);
    files.push_back(absl::StrCat(entry->path().filename().string(), "\n", size, "\n",
                                 time.time_since_epoch().count(), "\n"));
  }
  std::sort(files.begin(), files.end());
  std::string identity = canonical.string();
  for (const std::string& file : files) {
    absl::StrAppend(&identity, "\n", file);
  }
  return identity;
}

absl::StatusOr<at::Device> ParseDevice(absl::string_view name) {
  if (name == "cpu") {
    return at::Device(at::kCPU);
  }
  const int count = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  absl::string_view number = name;
  int index = 0;
  const bool is_known =
      name == "cuda" || (absl::ConsumePrefix(&number, "cuda:") && !number.empty() &&
                         std::all_of(number.begin(), number.end(), absl::ascii_isdigit) &&
                         absl::SimpleAtoi(number, &index));
  if (!is_known || index >= count) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device is '", name, "'; allowed are cpu, cuda and cuda:<number>, the number below ", count,
        ", the count of CUDA devices that this program sees"));
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

// Unset: the device's own.
absl::StatusOr<std::optional<at::ScalarType>> ParseDtype(absl::string_view name) {
  if (name == "auto") {
    return std::nullopt;
  }
  if (name == "float32") {
    return at::kFloat;
  }
  if (name == "bfloat16") {
    return at::kBFloat16;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dtype is '", name, "'; allowed are auto, float32 and bfloat16"));
}

// What a CUDA device needs to know before the first model.
void PrepareCuda() {
  // cuBLAS gives equal results with a fixed workspace alone; it reads this once, at its start.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  // Warnings alone would leave flash attention's gradient to atomic additions. An operator without
  // a deterministic form fails the job and names itself.
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Without this, deterministic operators fill whatever memory they are given first.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

class TorchEngine final : public Engine {
 public:
  explicit TorchEngine(const EngineOptions& options)
      : device_(options.device),
        dtype_(options.dtype),
        language_model_(resident_, {.decode_batch = options.decode_batch,
                                    .cache_bytes = options.cache_bytes,
                                    .prefill_tokens = options.prefill_tokens,
                                    .share_prefixes = options.share_prefixes}),
        reference_nlls_(options.cache_folder) {
    at::set_num_threads(std::max(1, options.threads));
    if (absl::StartsWith(device_, "cuda")) {
      PrepareCuda();
    }
  }

  absl::StatusOr<ModelInfo> Load(const std::filesystem::path& folder,
                                 const CancelToken& cancel) override {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    std::string identity = FolderIdentity(folder);
    if (resident_.model && resident_.identity == identity) {
      ModelInfo info = resident_.info;
      info.was_resident = true;
      return info;
    }
    // Gone before the next one comes: two models need not fit.
    resident_ = Resident{};
    auto loaded = CatchTorch([&] { return LoadResident(folder, std::move(identity), cancel); });
    RWKU_RETURN_IF_ERROR(loaded.status());
    resident_ = *std::move(loaded);
    return resident_.info;
  }

  void Unload() override { resident_ = Resident{}; }

  evaluate::LanguageModel& model() override {
    RWKU_CHECK(resident_.model != nullptr);
    return language_model_;
  }

  absl::StatusOr<TrainingReport> Train(const TrainingPlan& plan, const TrainingCallbacks& callbacks,
                                       const CancelToken& cancel) override {
    if (!resident_.model) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    resident_.runner.reset();
    TrainingContext context;
    context.original.weights = &resident_.pristine;
    context.original.checksum = resident_.info.weights_checksum;
    context.original.cache = &reference_nlls_;
    context.history = &resident_.history;
    resident_.is_changed = true;
    TrainingCallbacks wrapped = callbacks;
    if (callbacks.on_epoch) {
      wrapped.on_epoch = [&](int epoch) -> absl::StatusOr<EpochVerdict> {
        // The runner's weights are those of before; asking the model makes one of the present ones,
        // which must not take memory from the next epoch.
        resident_.runner.reset();
        absl::StatusOr<EpochVerdict> verdict = callbacks.on_epoch(epoch);
        const bool goes_on =
            verdict.ok() && *verdict == EpochVerdict::kContinue && epoch < plan.epochs;
        if (goes_on) {
          resident_.runner.reset();
        }
        return verdict;
      };
    }
    return CatchTorch([&] {
      return TrainModel(*resident_.model, *resident_.tokenizer, plan, wrapped, cancel, context);
    });
  }

  absl::Status Steer(const SteeringPlan& plan, const CancelToken& cancel) override {
    if (!resident_.model) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    RWKU_ASSIGN_OR_RETURN(LayerVectors vectors,
                          SteeringVectors(*resident_.model, *resident_.tokenizer, plan, cancel));
    resident_.steering = std::move(vectors);
    resident_.runner.reset();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Gang>> JoinGang(const GangPlan& plan,
                                                 const CancelToken& cancel) override {
    if (!resident_.model) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    return JoinC10dGang(plan, resident_.model->device(), cancel);
  }

  absl::Status Export(const std::filesystem::path& folder, const CancelToken& cancel) override {
    if (!resident_.model) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    if (!resident_.steering.empty()) {
      return absl::FailedPreconditionError(
          "the model is steered, which no weights hold; only what a training made can be exported");
    }
    return ExportModel(*resident_.model, resident_.pristine, resident_.folder, folder, cancel);
  }

  absl::StatusOr<std::string> Restore() override {
    if (!resident_.model) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    return CatchTorch([&] {
      const at::AutoGradMode no_grad(false);
      const std::vector<NamedTensor> parameters = resident_.model->NamedParameters();
      if (!resident_.steering.empty()) {
        resident_.steering.clear();
        resident_.runner.reset();
      }
      if (resident_.is_changed) {
        resident_.runner.reset();
        resident_.model->RemoveAdapters();
        RestoreWeights(parameters);
        resident_.is_changed = false;
      }
      return WeightsChecksum(parameters, resident_.checksums);
    });
  }

 private:
  // Of those that have changed alone, and their checksums.
  void RestoreWeights(const std::vector<NamedTensor>& parameters) {
    RWKU_CHECK(parameters.size() == resident_.pristine.size());
    // Before the copies: masters may take up the device's memory.
    resident_.history.masters.clear();
    for (size_t i = 0; i < parameters.size(); ++i) {
      const auto& [name, parameter] = parameters[i];
      parameter.requires_grad_(false);
      parameter.mutable_grad().reset();
      if (resident_.history.changed.contains(name)) {
        parameter.copy_(resident_.pristine[i].to(parameter.device(), /*non_blocking=*/true));
        resident_.checksums[i] = TensorChecksum(parameter);
      }
    }
    resident_.history.changed.clear();
  }

  absl::StatusOr<Resident> LoadResident(const std::filesystem::path& folder, std::string identity,
                                        const CancelToken& cancel) const {
    Resident resident;
    resident.identity = std::move(identity);
    resident.folder = folder;
    RWKU_ASSIGN_OR_RETURN(resident.tokenizer, text::Tokenizer::Load(folder));
    // A model that cannot be asked must not be trained first.
    RWKU_RETURN_IF_ERROR(resident.tokenizer
                             ->ApplyChatTemplate({{"user", "Who?"}},
                                                 /*add_generation_prompt=*/true)
                             .status());
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_ASSIGN_OR_RETURN(const at::Device device, ParseDevice(device_));
    RWKU_ASSIGN_OR_RETURN(const std::optional<at::ScalarType> dtype, ParseDtype(dtype_));
    RWKU_ASSIGN_OR_RETURN(resident.model, LoadCausalLm(folder, device, dtype, &resident.pristine));
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const std::vector<NamedTensor> parameters = resident.model->NamedParameters();
    for (const auto& [name, parameter] : parameters) {
      resident.info.parameters += parameter.numel();
      resident.info.bytes += static_cast<int64_t>(parameter.nbytes());
    }
    resident.info.family = resident.model->config().model_type;
    resident.info.layers = resident.model->config().num_hidden_layers;
    resident.checksums = TensorChecksums(parameters);
    resident.info.weights_checksum = WeightsChecksum(parameters, resident.checksums);
    return resident;
  }

  const std::string device_;
  const std::string dtype_;
  Resident resident_;
  TorchLanguageModel language_model_;
  ReferenceNllCache reference_nlls_;
};

}  // namespace

std::unique_ptr<Engine> CreateTorchEngine(const EngineOptions& options) {
  return std::make_unique<TorchEngine>(options);
}

}  // namespace rwku::engine
