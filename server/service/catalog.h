// The models and datasets below the server's roots, by name. Names never lead outside the roots.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "benchmark/dataset/dataset.h"

namespace rwku::service {

struct ModelInfo {
  std::string name;     // folder below the root, e.g. "tiny" or "meta-llama/Llama-3.1-8B"
  std::string family;   // model_type of config.json; empty if that could not be read
  int layers = 0;       // num_hidden_layers of config.json; 0 = not given
  std::string problem;  // why it cannot be used; empty = it can
};

// Thread-safe. Reads files: keep it off gRPC's threads.
class Catalog {
 public:
  // An empty root holds nothing.
  Catalog(std::filesystem::path models, std::filesystem::path datasets);

  // Folders with a config.json, one or two levels below the root, by name.
  std::vector<ModelInfo> Models() const;
  // INVALID_ARGUMENT for a name that is malformed, unknown (with near matches) or not usable.
  absl::StatusOr<ModelInfo> FindModel(absl::string_view name) const;

  // Folders in a dataset layout, one or two levels below the root, by name.
  std::vector<std::string> Datasets() const;
  // Opened once and kept; a dataset that changed on disk is read again after a restart. The same
  // errors as FindModel, and the dataset's own.
  absl::StatusOr<std::shared_ptr<const dataset::Dataset>> FindDataset(absl::string_view name) const;

 private:
  const std::filesystem::path models_;
  const std::filesystem::path datasets_;
  mutable absl::Mutex mu_;
  // shared_ptr: a call goes on with what it found.
  mutable std::map<std::string, std::shared_ptr<const dataset::Dataset>> open_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::service
