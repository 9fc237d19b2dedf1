#include <algorithm>
#include <array>
#include <cstdint>

#include "benchmark/report/render.h"

namespace rwku::report {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Marks, joiners and selectors that are drawn over their neighbour.
constexpr std::array<Range, 10> kZeroWidth = {{{0x0300, 0x036F},
                                               {0x0483, 0x0489},
                                               {0x0591, 0x05BD},
                                               {0x064B, 0x065F},
                                               {0x1AB0, 0x1AFF},
                                               {0x1DC0, 0x1DFF},
                                               {0x200B, 0x200F},
                                               {0x20D0, 0x20FF},
                                               {0xFE00, 0xFE0F},
                                               {0xFE20, 0xFE2F}}};
// East Asian wide and full-width characters, and emoji.
constexpr std::array<Range, 10> kDoubleWidth = {{{0x1100, 0x115F},
                                                 {0x2E80, 0x303E},
                                                 {0x3041, 0xA4CF},
                                                 {0xA960, 0xA97F},
                                                 {0xAC00, 0xD7A3},
                                                 {0xF900, 0xFAFF},
                                                 {0xFE30, 0xFE6F},
                                                 {0xFF00, 0xFF60},
                                                 {0xFFE0, 0xFFE6},
                                                 {0x1F300, 0x3FFFD}}};

template <size_t kSize>
bool Contains(const std::array<Range, kSize>& ranges, uint32_t code_point) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

int WidthOf(uint32_t code_point) {
  if (Contains(kZeroWidth, code_point)) {
    return 0;
  }
  return Contains(kDoubleWidth, code_point) ? 2 : 1;
}

}  // namespace

int DisplayWidth(absl::string_view text) {
  int width = 0;
  size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    uint32_t code_point = lead;
    size_t continuation = 0;
    if (lead >= 0xF0) {
      code_point = lead & 0x07;
      continuation = 3;
    } else if (lead >= 0xE0) {
      code_point = lead & 0x0F;
      continuation = 2;
    } else if (lead >= 0xC0) {
      code_point = lead & 0x1F;
      continuation = 1;
    }
    ++at;
    for (; continuation > 0 && at < text.size() && (text[at] & 0xC0) == 0x80;
         --continuation, ++at) {
      code_point = (code_point << 6) | (static_cast<unsigned char>(text[at]) & 0x3F);
    }
    width += WidthOf(code_point);
  }
  return width;
}

}  // namespace rwku::report
