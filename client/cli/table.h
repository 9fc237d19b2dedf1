// Plain text tables: a header in capitals, two spaces between columns, as `kubectl get` prints
// them.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::cli {

// `text` made safe for one line of a terminal: line breaks and tabs become a space, every other
// control character (escape sequences start with one) and invalid UTF-8 become "?".
std::string OneLine(absl::string_view text);

// The longest beginning of `text` (valid UTF-8) that takes at most `width` columns; cut texts end
// in "...". `width` below 4 cuts without the dots.
std::string Shorten(absl::string_view text, int width);

// Not thread-safe.
class TextTable {
 public:
  // Titles as printed. A title that starts with '>' is a column of numbers, flush right.
  explicit TextTable(const std::vector<std::string>& titles);

  // One cell a column; cells are made safe with OneLine, "" prints as "-".
  void AddRow(const std::vector<std::string>& cells);

  // The table; ends in a newline, no line ends in blanks. With `width` > 0, cells of the last
  // column are shortened so that lines fit where that leaves them at least 8 columns.
  std::string Render(int width = 0) const;

 private:
  std::vector<bool> flush_right_;
  std::vector<std::vector<std::string>> rows_;  // the titles first
};

}  // namespace rwku::cli
