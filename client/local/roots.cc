#include "client/local/roots.h"

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char kModels[] = "models";
constexpr char kDatasets[] = "datasets";
// Unfinished runs that are named.
constexpr size_t kNamedRuns = 3;

fs::path FileOf(const fs::path& data_dir) { return data_dir / "roots.json"; }

std::string Describe(const Roots& roots) {
  return absl::StrCat("models \"", roots.models, "\" and datasets \"", roots.datasets, "\"");
}

absl::Status Conflict(const fs::path& data_dir, const Roots& recorded, const Roots& asked,
                      const std::vector<std::string>& runs) {
  std::vector<std::string> named(
      runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(std::min(kNamedRuns, runs.size())));
  if (named.size() < runs.size()) {
    named.push_back(absl::StrCat(runs.size() - named.size(), " more"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "--data-dir ", data_dir.string(), " holds unfinished runs (", absl::StrJoin(named, ", "),
      ") of ", Describe(recorded), "; this command is for ", Describe(asked),
      "; use another --data-dir, or the recorded folders (leave out --models and --datasets, and "
      "name model and dataset without a path), or cancel the runs"));
}

}  // namespace

std::string CanonicalFolder(const fs::path& folder) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(fs::absolute(folder, error), error);
  const fs::path& path = error ? folder : canonical;
  // "models/" is "models".
  return (path.has_filename() ? path : path.parent_path()).string();
}

absl::StatusOr<std::optional<Roots>> ReadRoots(const fs::path& data_dir) {
  const fs::path file = FileOf(data_dir);
  const absl::StatusOr<std::string> text = ReadFile(file);
  if (absl::IsNotFound(text.status())) {
    return std::optional<Roots>();
  }
  RWKU_RETURN_IF_ERROR(text.status());
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto is_text = [&json](const char* field) {
    return json.is_object() && json.contains(field) && json[field].is_string();
  };
  if (!is_text(kModels) || !is_text(kDatasets)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.string(), ": expected an object with the texts \"", kModels, "\" and \"",
                     kDatasets, "\"; remove the file if the folder holds no unfinished run"));
  }
  return Roots{json[kModels].get<std::string>(), json[kDatasets].get<std::string>()};
}

absl::Status ClaimRoots(const fs::path& data_dir, const Roots& roots, client::Client& client) {
  RWKU_ASSIGN_OR_RETURN(const std::optional<Roots> recorded, ReadRoots(data_dir));
  if (recorded == roots) {
    return absl::OkStatus();
  }
  if (recorded) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Run> runs, client.ListRuns());
    std::vector<std::string> unfinished;
    for (const v1::Run& run : runs) {
      if (!client::IsTerminal(run.state())) {
        unfinished.push_back(run.name());
      }
    }
    if (!unfinished.empty()) {
      return Conflict(data_dir, *recorded, roots, unfinished);
    }
  }
  const Json json = {{kModels, roots.models}, {kDatasets, roots.datasets}};
  // A path need not be UTF-8.
  return WriteFileAtomically(
      FileOf(data_dir),
      absl::StrCat(json.dump(2, ' ', false, Json::error_handler_t::replace), "\n"));
}

}  // namespace rwku::local
