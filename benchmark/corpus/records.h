// Texts as files of a dataset folder.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/text.h"

namespace rwku::corpus {

struct RecordFile {
  std::string name;      // "positive.json"
  std::string contents;  // a JSON array
  int records = 0;
  int left_out = 0;  // records with a blank text, which a dataset does not take
};

// "Target/<number>_<Name_With_Underscores>".
std::string TargetFolder(int number, absl::string_view name);

// The file that names the subject.
RecordFile IntroFile(const Subject& subject);

// A file for each of `kinds`, in order, under the names of the model's family (see
// dataset::CorpusFile). INTERNAL where texts are missing, there twice or of somebody else.
absl::StatusOr<std::vector<RecordFile>> MakeRecordFiles(const Subject& subject,
                                                        absl::Span<const CorpusKind> kinds,
                                                        absl::string_view family,
                                                        absl::Span<const Text> texts);

}  // namespace rwku::corpus
