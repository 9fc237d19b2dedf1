#include "client/cli/table.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/utf8.h"
#include "benchmark/report/render.h"

namespace rwku::cli {
namespace {

constexpr int kGap = 2;
constexpr int kNarrowestCut = 8;

bool IsBlank(char c) { return c == '\n' || c == '\r' || c == '\t' || c == ' '; }

}  // namespace

std::string OneLine(absl::string_view text) {
  std::string line;
  line.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    const auto first = static_cast<uint8_t>(text.front());
    // U+0080..U+009F are control characters too: some terminals obey them.
    const bool c1 = length == 2 && first == 0xc2 && static_cast<uint8_t>(text[1]) < 0xa0;
    if (IsBlank(text.front())) {
      line.push_back(' ');
    } else if (length == 0 || first < 0x20 || first == 0x7f || c1) {
      line.push_back('?');
    } else {
      line.append(text.data(), length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return line;
}

std::string Shorten(absl::string_view text, int width) {
  if (report::DisplayWidth(text) <= width) {
    return std::string(text);
  }
  const bool dots = width > 3;
  int left = std::max(0, dots ? width - 3 : width);
  std::string out;
  while (!text.empty()) {
    const size_t length = std::max<size_t>(Utf8CharacterLength(text), 1);
    const absl::string_view character = text.substr(0, length);
    left -= report::DisplayWidth(character);
    if (left < 0) {
      break;
    }
    out.append(character.data(), character.size());
    text.remove_prefix(length);
  }
  if (dots) {
    out += "...";
  }
  return out;
}

TextTable::TextTable(const std::vector<std::string>& titles) {
  std::vector<std::string> header;
  for (const std::string& title : titles) {
    const bool right = !title.empty() && title.front() == '>';
    flush_right_.push_back(right);
    header.push_back(right ? title.substr(1) : title);
  }
  rows_.push_back(std::move(header));
}

void TextTable::AddRow(const std::vector<std::string>& cells) {
  RWKU_CHECK(cells.size() == flush_right_.size());
  std::vector<std::string> row;
  row.reserve(cells.size());
  for (const std::string& cell : cells) {
    row.push_back(cell.empty() ? "-" : OneLine(cell));
  }
  rows_.push_back(std::move(row));
}

std::string TextTable::Render(int width) const {
  const size_t columns = flush_right_.size();
  std::vector<int> widths(columns, 0);
  for (const std::vector<std::string>& row : rows_) {
    for (size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], report::DisplayWidth(row[c]));
    }
  }
  int before_last = 0;
  for (size_t c = 0; c + 1 < columns; ++c) {
    before_last += widths[c] + kGap;
  }
  const bool cut = width > 0 && width - before_last >= kNarrowestCut;
  std::string text;
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      const bool last = c + 1 == columns;
      const std::string cell = last && cut ? Shorten(row[c], width - before_last) : row[c];
      const int column_width = last && cut ? std::min(widths[c], width - before_last) : widths[c];
      const std::string blanks(std::max(0, column_width - report::DisplayWidth(cell)), ' ');
      line += flush_right_[c] ? blanks + cell : cell + blanks;
      line += std::string(last ? 0 : kGap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace rwku::cli
