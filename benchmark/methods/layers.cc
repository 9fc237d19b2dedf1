#include "benchmark/methods/layers.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rwku::methods {

absl::StatusOr<Layers> ParseLayers(absl::string_view text) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '-');
  Layers layers;
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &layers.begin) ||
      !absl::SimpleAtoi(ends[1], &layers.end) || layers.begin < 0 || layers.end <= layers.begin) {
    return absl::InvalidArgumentError(
        absl::StrCat("found \"", text.substr(0, 40),
                     "\", allowed: A-B with A below B, for layers A to B - 1, such as 0-4"));
  }
  return layers;
}

std::string LayersText(const Layers& layers) { return absl::StrCat(layers.begin, "-", layers.end); }

}  // namespace rwku::methods
