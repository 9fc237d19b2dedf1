#include "benchmark/evaluate/words.h"

#include <system_error>

namespace rwku::evaluate {

absl::StatusOr<metrics::WordTokenizer> LoadWordTokenizer(const std::filesystem::path& dataset) {
  for (const std::filesystem::path& folder : {dataset, dataset.parent_path()}) {
    const std::filesystem::path punkt =
        folder / "nltk_data" / "tokenizers" / "punkt_tab" / "english";
    std::error_code error;
    if (std::filesystem::is_directory(punkt, error)) {
      return metrics::WordTokenizer::Load(punkt);
    }
  }
  return metrics::WordTokenizer::WithoutPunkt();
}

}  // namespace rwku::evaluate
