// The word tokenizer that a dataset's fluency is measured with.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"

#include "benchmark/metrics/word_tokenize.h"

namespace rwku::evaluate {

// NLTK's tokenizer with the Punkt parameters in nltk_data/tokenizers/punkt_tab/english of the
// dataset's folder or of the folder above it, where one directory serves all datasets; without
// parameters the fallback of metrics/word_tokenize.h. Errors name the file and line of parameters
// that are there but cannot be read.
absl::StatusOr<metrics::WordTokenizer> LoadWordTokenizer(const std::filesystem::path& dataset);

}  // namespace rwku::evaluate
