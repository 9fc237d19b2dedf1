// The few-shot primers of a dataset.
#include <array>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/dataset/dataset.h"

namespace rwku::dataset {

absl::StatusOr<std::string> Dataset::LoadPrimer(ProbeSet set) const {
  if (set != ProbeSet::kTruthfulQa && set != ProbeSet::kTriviaQa) {
    return absl::InvalidArgumentError(absl::StrCat(
        "probe set ", ProbeSetName(set), " has no primer; truthfulqa and triviaqa have one"));
  }
  const std::string name = absl::StrCat(ProbeSetName(set), ".txt");
  const std::array<std::string, 3> files = {absl::StrCat("primers/", name),
                                            absl::StrCat("primers/primer_", name),
                                            absl::StrCat("primer_", name)};
  for (const std::string& file : files) {
    const absl::StatusOr<std::filesystem::path> path = ResolveBelow(root_, file, "primer");
    if (path.ok()) {
      return ReadFile(*path);
    }
    if (!absl::IsNotFound(path.status())) {
      return path.status();
    }
  }
  return absl::NotFoundError(absl::StrCat("dataset ", root_.string(), ": found no primer of ",
                                          ProbeSetName(set), ", looked for ",
                                          absl::StrJoin(files, ", ")));
}

}  // namespace rwku::dataset
