#include "text/bpe_trainer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "text/rust_string.h"
#include "text/rwku_text.h"

namespace rwku::text {

absl::StatusOr<std::string> TrainByteLevelBpe(absl::Span<const std::string> texts,
                                              const BpeOptions& options) {
  const auto views = [](absl::Span<const std::string> strings) {
    std::vector<rwku_text_view> result;
    result.reserve(strings.size());
    for (const std::string& string : strings) {
      result.push_back(ToView(string));
    }
    return result;
  };
  const std::vector<rwku_text_view> text_views = views(texts);
  const std::vector<rwku_text_view> special_views = views(options.special_tokens);
  const size_t vocabulary_size = static_cast<size_t>(std::max(options.vocabulary_size, 0));
  rwku_text_string json{};
  rwku_text_string error{};
  const rwku_text_code code = rwku_text_train_bpe(
      text_views.data(), text_views.size(), special_views.data(), special_views.size(),
      ToView(options.bos), vocabulary_size, options.min_frequency, &json, &error);
  if (code != RWKU_TEXT_OK) {
    return TakeError(code, "training a tokenizer", error);
  }
  return TakeString(json);
}

}  // namespace rwku::text
