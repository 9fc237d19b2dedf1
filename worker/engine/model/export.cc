#include "worker/engine/model/export.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"
#include "text/json_file.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

namespace fs = std::filesystem;

// What the hub keeps beside the weights.
constexpr const char* kCopied[] = {
    "tokenizer.json",     "tokenizer_config.json",  "special_tokens_map.json",
    "added_tokens.json",  "tokenizer.model",        "vocab.json",
    "merges.txt",         "generation_config.json", "chat_template.jinja",
    "chat_template.json",
};

absl::Status FileError(const std::error_code& error, absl::string_view what, const fs::path& path) {
  const std::string message = absl::StrCat(what, " ", path.string(), ": ", error.message());
  return error.value() == ENOSPC ? absl::ResourceExhaustedError(message)
                                 : absl::InternalError(message);
}

// The adapters of a model where they are one set that peft can describe.
struct AdapterSet {
  int64_t rank = 0;
  double scale = 1;
  std::set<std::string> modules;  // "q_proj"
  std::set<int64_t> layers;
  std::vector<NamedTensor> tensors;  // under peft's names
  bool is_uniform = true;
};

AdapterSet AdaptersOf(CausalLm& model) {
  AdapterSet set;
  for (const auto& [name, linear] : model.NamedLinears()) {
    if (!linear->adapter) {
      continue;
    }
    const LoraAdapter& adapter = *linear->adapter;
    const int64_t rank = adapter.a.size(0);
    set.is_uniform =
        set.is_uniform && (set.tensors.empty() || (rank == set.rank && adapter.scale == set.scale));
    set.rank = rank;
    set.scale = adapter.scale;
    // "model.layers.3.self_attn.q_proj"
    const std::vector<std::string> parts = absl::StrSplit(name, '.');
    int64_t layer = 0;
    if (parts.size() < 3 || !absl::SimpleAtoi(parts[2], &layer)) {
      set.is_uniform = false;
      continue;
    }
    set.modules.insert(parts.back());
    set.layers.insert(layer);
    const std::string prefix = absl::StrCat("base_model.model.", name);
    set.tensors.emplace_back(prefix + ".lora_A.weight", adapter.a.detach());
    set.tensors.emplace_back(prefix + ".lora_B.weight", adapter.b.detach());
  }
  // Every module has one in every layer that has any: peft's config says no more than that.
  set.is_uniform =
      set.is_uniform && set.tensors.size() == 2 * set.modules.size() * set.layers.size();
  return set;
}

std::string AdapterConfigJson(const AdapterSet& set, int64_t layer_count, const fs::path& source) {
  nlohmann::ordered_json out;
  out["peft_type"] = "LORA";
  out["task_type"] = "CAUSAL_LM";
  out["base_model_name_or_path"] = source.string();
  out["inference_mode"] = true;
  out["r"] = set.rank;
  out["lora_alpha"] = set.scale * static_cast<double>(set.rank);
  out["lora_dropout"] = 0.0;
  out["target_modules"] = set.modules;
  out["bias"] = "none";
  out["fan_in_fan_out"] = false;
  out["init_lora_weights"] = true;
  out["modules_to_save"] = nullptr;
  out["layers_to_transform"] = nullptr;
  out["layers_pattern"] = nullptr;
  if (static_cast<int64_t>(set.layers.size()) < layer_count) {
    out["layers_to_transform"] = set.layers;
    out["layers_pattern"] = "layers";
  }
  return out.dump(2) + "\n";
}

bool EqualsPristine(const CausalLm& model, absl::Span<const at::Tensor> pristine) {
  const std::vector<NamedTensor> parameters = model.NamedParameters();
  return parameters.size() == pristine.size() &&
         std::equal(parameters.begin(), parameters.end(), pristine.begin(),
                    [](const NamedTensor& parameter, const at::Tensor& original) {
                      const at::Tensor values = parameter.second.detach().to(at::kCPU);
                      return at::equal(values, original.to(values.scalar_type()));
                    });
}

// The weights in float32 with adapters merged in, one at a time. They point into `model`.
std::vector<SafetensorsSource> MergedWeights(CausalLm& model) {
  std::map<std::string, const Linear*> adapted;
  for (const auto& [name, linear] : model.NamedLinears()) {
    if (linear->adapter) {
      adapted.emplace(name + ".weight", linear);
    }
  }
  std::vector<SafetensorsSource> sources;
  for (const auto& [name, weight] : model.NamedParameters()) {
    const auto found = adapted.find(name);
    const Linear* const linear = found == adapted.end() ? nullptr : found->second;
    sources.push_back({name, at::kFloat, weight.sizes().vec(), [weight = weight, linear] {
                         if (linear == nullptr) {
                           return weight;
                         }
                         const LoraAdapter& adapter = *linear->adapter;
                         return weight + at::matmul(adapter.b, adapter.a) * adapter.scale;
                       }});
  }
  return sources;
}

// config.json of `source` for weights in float32, all else as it is.
absl::StatusOr<std::string> ConfigJson(const fs::path& source) {
  const fs::path path = source / "config.json";
  RWKU_ASSIGN_OR_RETURN(const std::string contents, text::ReadFileUpTo(path, text::kJsonFileLimit));
  RWKU_RETURN_IF_ERROR(text::ParseJsonObject(contents, path.string()).status());
  auto config = nlohmann::ordered_json::parse(contents);
  // Newer files call it dtype.
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = "float32";
  return config.dump(2) + "\n";
}

absl::Status WriteInto(CausalLm& model, absl::Span<const at::Tensor> pristine,
                       const fs::path& source, const fs::path& folder, const CancelToken& cancel) {
  const AdapterSet adapters = AdaptersOf(model);
  if (!adapters.tensors.empty() && adapters.is_uniform && EqualsPristine(model, pristine)) {
    RWKU_RETURN_IF_ERROR(SaveSafetensors(adapters.tensors, folder / "adapter_model.safetensors"));
    RWKU_RETURN_IF_ERROR(
        WriteFileAtomically(folder / "adapter_config.json",
                            AdapterConfigJson(adapters, model.config().num_hidden_layers, source)));
  } else {
    RWKU_RETURN_IF_ERROR(
        SaveSafetensors(MergedWeights(model), folder / "model.safetensors", cancel));
    RWKU_ASSIGN_OR_RETURN(const std::string config, ConfigJson(source));
    RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "config.json", config));
  }
  for (const char* const name : kCopied) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const absl::StatusOr<std::string> contents = ReadFile(source / name);
    if (absl::IsNotFound(contents.status())) {
      continue;
    }
    RWKU_RETURN_IF_ERROR(contents.status());
    RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / name, *contents));
  }
  return absl::OkStatus();
}

// Removes those of the folders, the outermost first, that hold nothing.
void RemoveEmpty(absl::Span<const fs::path> folders) {
  for (; !folders.empty(); folders.remove_suffix(1)) {
    std::error_code ignored;
    fs::remove(folders.back(), ignored);
  }
}

// Makes `folder` and what is missing above it; returns what was made, the outermost first.
absl::StatusOr<std::vector<fs::path>> MakeFolders(const fs::path& folder) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path path = folder; !path.empty() && !fs::exists(path, error);
       path = path.parent_path()) {
    missing.insert(missing.begin(), path);
  }
  std::vector<fs::path> made;
  for (const fs::path& path : missing) {
    if (fs::create_directory(path, error); error) {
      const absl::Status status = FileError(error, "create the folder", path);
      RemoveEmpty(made);
      return status;
    }
    made.push_back(path);
  }
  return made;
}

}  // namespace

absl::Status ExportModel(CausalLm& model, absl::Span<const at::Tensor> pristine,
                         const std::filesystem::path& source, const std::filesystem::path& folder,
                         const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(cancel.Check());
  std::error_code error;
  const fs::path target = fs::absolute(folder, error).lexically_normal();
  if (fs::exists(fs::symlink_status(target, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(target.string(), " exists; allowed is a folder that does not"));
  }
  const fs::path temporary = absl::StrCat(target.string(), ".tmp.", getpid());
  fs::remove_all(temporary, error);
  RWKU_ASSIGN_OR_RETURN(const std::vector<fs::path> made, MakeFolders(temporary));
  absl::Cleanup undo = [&] {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    // Folders above that somebody else has put something into stay.
    RemoveEmpty(made);
  };
  const absl::Status written = CatchTorch([&] {
    const at::AutoGradMode no_grad(false);
    return WriteInto(model, pristine, source, temporary, cancel);
  });
  RWKU_RETURN_IF_ERROR(written);
  RWKU_RETURN_IF_ERROR(RenameDurably(temporary, target));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

}  // namespace rwku::engine
