#include "client/cli/corpus_folder.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// "corpora" of "a/corpora" and of "a/corpora/".
fs::path WithoutSlash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

fs::path ParentOf(const fs::path& folder) {
  const fs::path parent = WithoutSlash(folder).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

absl::Status CorpusFolder::CheckPlace(const fs::path& folder) {
  std::error_code error;
  if (!WithoutSlash(folder).has_filename()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", folder.string(), "\" is no name of a folder"));
  }
  if (fs::exists(folder, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat(folder.string(), " exists; corpora are written to a new folder"));
  }
  if (!fs::is_directory(ParentOf(folder), error)) {
    return absl::NotFoundError(absl::StrCat(ParentOf(folder).string(), " is not a folder"));
  }
  return absl::OkStatus();
}

CorpusFolder::CorpusFolder(const fs::path& folder, absl::string_view suffix)
    : folder_(WithoutSlash(folder)),
      partial_(ParentOf(folder_) /
               absl::StrCat(".", folder_.filename().string(), ".partial-", suffix)) {}

CorpusFolder::~CorpusFolder() {
  std::error_code error;
  fs::remove_all(partial_, error);
}

absl::Status CorpusFolder::AddTarget(const CorpusTarget& target,
                                     const std::vector<corpus::RecordFile>& files) {
  const fs::path folder = partial_ / corpus::TargetFolder(target.number, target.subject.name);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot make ", folder.string(), ": ", error.message()));
  }
  WrittenTarget written{target, {}};
  std::vector<corpus::RecordFile> all = {corpus::IntroFile(target.subject)};
  all.insert(all.end(), files.begin(), files.end());
  for (const corpus::RecordFile& file : all) {
    RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / file.name, file.contents));
    written.files.push_back({file.name, file.records, file.left_out, Sha256Hex(file.contents)});
  }
  targets_.push_back(std::move(written));
  return absl::OkStatus();
}

std::string CorpusFolder::Manifest(const CorpusProvenance& provenance) const {
  const v1::CorpusSpec& settings = provenance.spec.corpus();
  Json targets = Json::array();
  for (const auto& [target, files] : targets_) {
    Json written = Json::array();
    for (const WrittenFile& file : files) {
      written.push_back({{"name", file.name},
                         {"records", file.records},
                         {"left_out", file.left_out},
                         {"sha256", file.sha256}});
    }
    targets.push_back({{"number", target.number},
                       {"name", target.subject.name},
                       {"custom", target.is_custom},
                       {"folder", corpus::TargetFolder(target.number, target.subject.name)},
                       {"files", std::move(written)}});
  }
  const Json manifest = {
      {"model", provenance.model},
      {"family", provenance.family},
      {"weights_checksum", provenance.weights_checksum},
      {"dataset", provenance.dataset},
      {"seed", provenance.spec.seeds(0)},
      {"settings",
       {{"kinds", std::vector<std::string>(settings.kinds().begin(), settings.kinds().end())},
        {"max_openers", settings.max_openers()},
        {"questions", settings.questions()},
        {"temperature", settings.temperature()},
        {"top_p", settings.top_p()},
        {"max_new_tokens", settings.max_new_tokens()}}},
      {"protocol", {{"single_bos", provenance.spec.protocol().single_bos()}}},
      {"rwku_version", provenance.client_version},
      {"worker_version", provenance.worker_version},
      {"targets", std::move(targets)}};
  return manifest.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

absl::Status CorpusFolder::Finish(const CorpusProvenance& provenance, std::string* manifest) {
  std::sort(targets_.begin(), targets_.end(), [](const WrittenTarget& a, const WrittenTarget& b) {
    return a.target.number < b.target.number;
  });
  *manifest = Manifest(provenance);
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(partial_ / kManifestFile, *manifest));
  RWKU_RETURN_IF_ERROR(CheckPlace(folder_));
  std::error_code error;
  fs::rename(partial_, folder_, error);
  return error ? absl::InternalError(absl::StrCat("cannot move ", partial_.string(), " to ",
                                                  folder_.string(), ": ", error.message()))
               : absl::OkStatus();
}

}  // namespace rwku::cli
