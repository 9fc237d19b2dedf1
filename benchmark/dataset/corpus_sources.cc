// What the model's own corpora begin with and end in: openers and refusals.
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/dataset/dataset.h"

namespace rwku::dataset {
namespace {

using FileNames = std::array<absl::string_view, 4>;

constexpr FileNames kOpenerFiles = {"corpora/openers.json", "corpora/all_truncated_outputs.json",
                                    "openers.json", "all_truncated_outputs.json"};
constexpr FileNames kRefusalFiles = {"corpora/refusals.jsonl", "corpora/idontknow.jsonl",
                                     "refusals.jsonl", "idontknow.jsonl"};

struct NamedText {
  std::string file;
  std::string text;
};

// The first of `files` that is there.
absl::StatusOr<NamedText> ReadFirst(const std::filesystem::path& root, const FileNames& files,
                                    absl::string_view what) {
  for (const absl::string_view file : files) {
    const absl::StatusOr<std::filesystem::path> path = ResolveBelow(root, file, what);
    if (path.ok()) {
      NamedText found{std::string(file), {}};
      RWKU_ASSIGN_OR_RETURN(found.text, ReadFile(*path));
      return found;
    }
    if (!absl::IsNotFound(path.status())) {
      return path.status();
    }
  }
  return absl::NotFoundError(absl::StrCat("dataset ", root.string(), ": found no ", what,
                                          ", looked for ", absl::StrJoin(files, ", ")));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Dataset::LoadOpeners() const {
  RWKU_ASSIGN_OR_RETURN(const NamedText found, ReadFirst(root_, kOpenerFiles, "openers"));
  const nlohmann::json list =
      nlohmann::json::parse(found.text, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() || list.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(found.file, ": expected a JSON array of at least one string"));
  }
  std::vector<std::string> openers;
  openers.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(found.file, ": opener ", i, ": found ",
                                                     list[i].type_name(), ", expected string"));
    }
    openers.push_back(list[i].get<std::string>());
  }
  return openers;
}

absl::StatusOr<std::vector<std::string>> Dataset::LoadRefusals() const {
  RWKU_ASSIGN_OR_RETURN(const NamedText found, ReadFirst(root_, kRefusalFiles, "refusals"));
  std::vector<std::string> refusals;
  for (const absl::string_view line : absl::StrSplit(found.text, '\n')) {
    const absl::string_view refusal = absl::StripAsciiWhitespace(line);
    if (!refusal.empty()) {
      refusals.emplace_back(refusal);
    }
  }
  if (refusals.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(found.file, ": holds no refusal; expected one a line"));
  }
  return refusals;
}

}  // namespace rwku::dataset
