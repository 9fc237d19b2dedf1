// A target that no dataset has, as people write it down.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/corpus/records.h"
#include "benchmark/corpus/text.h"

namespace rwku::corpus {

// Longest name and intro, in bytes.
inline constexpr size_t kMaxNameBytes = 200;
inline constexpr size_t kMaxIntroBytes = 4000;

struct TargetFile {
  Subject subject;
  std::vector<RecordFile> probes;  // one a probe set, as a dataset has them
};

// What is wrong with the name or intro of a custom target; empty = nothing. A name is a folder's
// name, too: no '/' and no control character.
std::string NameProblem(absl::string_view name);
std::string IntroProblem(absl::string_view intro);

// {"name": ..., "intro": ..., "probes": {"forget_level1": [record, ...], ...}}. `probes` may be
// left out; its records are those of the set's own files, where `subject` may be left out.
// INVALID_ARGUMENT names `file` (what errors call it), record and field.
absl::StatusOr<TargetFile> ParseTargetFile(absl::string_view text, absl::string_view file);

}  // namespace rwku::corpus
