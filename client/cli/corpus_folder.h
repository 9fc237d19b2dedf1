// A dataset folder with the corpora that a run wrote.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/resources.pb.h"

#include "benchmark/corpus/records.h"

namespace rwku::cli {

inline constexpr char kManifestFile[] = "manifest.json";

struct CorpusTarget {
  int number = 0;  // in the new folder, from 1
  corpus::Subject subject;
  bool is_custom = false;
};

// What the manifest says of the run. No time and no place: equal inputs give equal bytes.
struct CorpusProvenance {
  std::string model;
  std::string family;
  std::string weights_checksum;
  std::string dataset;
  v1::RunSpec spec;            // complete
  std::string worker_version;  // of the worker that wrote the texts
  std::string client_version;
};

// Written beside its place and moved there whole by Finish(): whoever looks sees all of it or
// nothing. Without Finish(), destruction removes what was written. Not thread-safe.
class CorpusFolder {
 public:
  // OK if `folder` can be made: its parent is a folder and it is not there. Else ALREADY_EXISTS or
  // NOT_FOUND naming it.
  static absl::Status CheckPlace(const std::filesystem::path& folder);

  // `suffix` makes the name beside `folder` that nobody else takes.
  CorpusFolder(const std::filesystem::path& folder, absl::string_view suffix);
  ~CorpusFolder();
  CorpusFolder(const CorpusFolder&) = delete;
  CorpusFolder& operator=(const CorpusFolder&) = delete;

  // Writes the files of one target, in Target/<number>_<Name>/, with its intro.json.
  absl::Status AddTarget(const CorpusTarget& target, const std::vector<corpus::RecordFile>& files);

  // Writes the manifest, which `manifest` gets too, and moves the folder to its place.
  absl::Status Finish(const CorpusProvenance& provenance, std::string* manifest);

 private:
  struct WrittenFile {
    std::string name;
    int records = 0;
    int left_out = 0;
    std::string sha256;
  };
  struct WrittenTarget {
    CorpusTarget target;
    std::vector<WrittenFile> files;
  };

  std::string Manifest(const CorpusProvenance& provenance) const;

  const std::filesystem::path folder_;
  const std::filesystem::path partial_;
  std::vector<WrittenTarget> targets_;
};

}  // namespace rwku::cli
