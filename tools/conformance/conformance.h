// Our metrics on the predictions of the reference's own result files, beside the figures that it
// wrote into them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "benchmark/metrics/word_tokenize.h"

namespace rwku::conformance {

// One figure of a result file.
struct Figure {
  std::string file;  // "forget.json"
  std::string name;  // "level_1 rouge-l recall", "MC1", "zlib of text 3"
  double reference = 0;
  std::optional<double> ours;  // nullopt: our metric is missing here
};

// Differences up to this are rounding: of sums in another order.
inline constexpr double kTolerance = 1e-12;

bool Agrees(const Figure& figure);

struct Options {
  // A word tokenizer for the entropy; with the fallback the figures differ.
  metrics::WordTokenizer words;
  // Folder with forget_mia.json and retain_mia.json, whose texts the result files leave out.
  // Without it the Zlib figures are not checked.
  std::optional<std::filesystem::path> texts;
};

struct Findings {
  std::vector<Figure> figures;
  std::vector<std::string> unchecked;  // what could not be checked, and why
};

// Reads every result file that `folder` holds: forget, neighbor, forget_mia, retain_mia, mmlu, bbh,
// truthful, triviaqa and fluency (.json). NOT_FOUND if there is none; INVALID_ARGUMENT names the
// file and field of what is no such file. From predictions: ROUGE-1, -2 and -L by level, exact
// match and F1, BBH extraction and score, entropy. From token losses: Zlib. From per-item figures:
// the averages of accuracy, MC1, MC2 and the membership scores, whose raw parts the files leave
// out.
absl::StatusOr<Findings> Check(const std::filesystem::path& folder, const Options& options);

}  // namespace rwku::conformance
