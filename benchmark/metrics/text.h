// White space as Python's str methods see it, over UTF-8.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::metrics {

// str.strip(): `text` without leading and trailing white space.
absl::string_view StripWhitespace(absl::string_view text);

// str.split(): the words of `text`, never empty; views into it.
std::vector<absl::string_view> SplitWords(absl::string_view text);

// Whether nothing but white space is in `text`: such a prediction is scored as NOANSWER.
bool IsBlank(absl::string_view text);

}  // namespace rwku::metrics
