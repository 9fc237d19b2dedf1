#include "server/service/catalog.h"

#include <algorithm>
#include <array>
#include <functional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "base/file.h"
#include "base/near_match.h"
#include "base/status_macros.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

constexpr double kMaxLayers = 100000;
constexpr uintmax_t kMaxConfigBytes = uintmax_t{1} << 20U;
// Values of config.json's model_type that worker/engine/model loads.
constexpr std::array<absl::string_view, 1> kModelTypes = {"llama"};

std::vector<fs::path> Folders(const fs::path& root) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored) && it->path().filename().string().front() != '.') {
      folders.push_back(it->path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// Names of the folders one or two levels below `root` that `accept` takes; what lies below an
// accepted folder is not looked at.
std::vector<std::string> Find(const fs::path& root,
                              const std::function<bool(const fs::path&)>& accept) {
  std::vector<std::string> names;
  if (root.empty()) {
    return names;
  }
  for (const fs::path& folder : Folders(root)) {
    if (accept(folder)) {
      names.push_back(folder.filename().string());
      continue;
    }
    for (const fs::path& inner : Folders(folder)) {
      if (accept(inner)) {
        names.push_back(absl::StrCat(folder.filename().string(), "/", inner.filename().string()));
      }
    }
  }
  return names;
}

bool IsModel(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

bool HasWeights(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".safetensors") {
      return true;
    }
  }
  return false;
}

ModelInfo Describe(const fs::path& folder, std::string name) {
  ModelInfo info;
  info.name = std::move(name);
  const fs::path config = folder / "config.json";
  std::error_code error;
  if (const uintmax_t size = fs::file_size(config, error); !error && size > kMaxConfigBytes) {
    info.problem = absl::StrCat("config.json: found ", size, " bytes, allowed ", kMaxConfigBytes);
    return info;
  }
  const absl::StatusOr<std::string> text = ReadFile(config);
  if (!text.ok()) {
    info.problem = std::string(text.status().message());
    return info;
  }
  google::protobuf::Struct json;
  if (const auto parsed = google::protobuf::util::JsonStringToMessage(*text, &json); !parsed.ok()) {
    info.problem = absl::StrCat("config.json: ", std::string(parsed.message()));
    return info;
  }
  const auto type = json.fields().find("model_type");
  if (type == json.fields().end() || type->second.string_value().empty()) {
    info.problem = "config.json: field \"model_type\" is missing or no string";
    return info;
  }
  info.family = type->second.string_value();
  if (std::find(kModelTypes.begin(), kModelTypes.end(), info.family) == kModelTypes.end()) {
    info.problem = absl::StrCat("config.json: found model_type \"", info.family, "\", allowed ",
                                absl::StrJoin(kModelTypes, ", "));
    return info;
  }
  if (const auto layers = json.fields().find("num_hidden_layers"); layers != json.fields().end()) {
    const double count = layers->second.number_value();
    info.layers = count >= 1 && count <= kMaxLayers ? static_cast<int>(count) : 0;
  }
  std::error_code ignored;
  if (!fs::is_regular_file(folder / "tokenizer.json", ignored)) {
    info.problem = "there is no tokenizer.json";
  } else if (!HasWeights(folder)) {
    info.problem = "there is no *.safetensors file";
  }
  return info;
}

// The folder of `name` below `root`. `known` lists what there is, for near matches.
absl::StatusOr<fs::path> Resolve(const fs::path& root, absl::string_view name,
                                 absl::string_view what,
                                 const std::function<std::vector<std::string>()>& known) {
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("is empty; expected the name of a ", what));
  }
  if (root.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown ", what, " \"", name, "\": the server was started without --", what, "s"));
  }
  absl::StatusOr<fs::path> path = ResolveBelow(root, name, what);
  if (absl::IsNotFound(path.status())) {
    return absl::InvalidArgumentError(UnknownNameMessage(what, name, known()));
  }
  return path;
}

}  // namespace

Catalog::Catalog(fs::path models, fs::path datasets)
    : models_(std::move(models)), datasets_(std::move(datasets)) {}

std::vector<ModelInfo> Catalog::Models() const {
  std::vector<ModelInfo> models;
  for (const std::string& name : Find(models_, IsModel)) {
    models.push_back(Describe(models_ / name, name));
  }
  return models;
}

absl::StatusOr<ModelInfo> Catalog::FindModel(absl::string_view name) const {
  const auto known = [this] { return Find(models_, IsModel); };
  RWKU_ASSIGN_OR_RETURN(const fs::path folder, Resolve(models_, name, "model", known));
  if (!IsModel(folder)) {
    return absl::InvalidArgumentError(UnknownNameMessage("model", name, known()));
  }
  ModelInfo info = Describe(folder, std::string(name));
  if (!info.problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", name, "\" cannot be used: ", info.problem));
  }
  return info;
}

std::vector<std::string> Catalog::Datasets() const {
  return Find(datasets_,
              [](const fs::path& folder) { return dataset::Dataset::Open(folder).ok(); });
}

absl::StatusOr<std::shared_ptr<const dataset::Dataset>> Catalog::FindDataset(
    absl::string_view name) const {
  RWKU_ASSIGN_OR_RETURN(const fs::path folder,
                        Resolve(datasets_, name, "dataset", [this] { return Datasets(); }));
  const std::string key = folder.string();
  {
    absl::MutexLock lock(&mu_);
    if (const auto found = open_.find(key); found != open_.end()) {
      return found->second;
    }
  }
  absl::StatusOr<std::unique_ptr<dataset::Dataset>> opened = dataset::Dataset::Open(folder);
  if (!opened.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dataset \"", name, "\" cannot be used: ", std::string(opened.status().message())));
  }
  std::shared_ptr<const dataset::Dataset> shared = *std::move(opened);
  absl::MutexLock lock(&mu_);
  return open_.emplace(key, std::move(shared)).first->second;
}

}  // namespace rwku::service
