#include "base/near_match.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace rwku {
namespace {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> NearMatches(absl::string_view name, const std::vector<std::string>& known,
                                     size_t limit) {
  const std::string wanted = absl::AsciiStrToLower(name);
  std::vector<std::pair<size_t, std::string>> scored;
  for (const std::string& candidate : known) {
    const std::string lower = absl::AsciiStrToLower(candidate);
    size_t distance = EditDistance(wanted, lower);
    if (!wanted.empty() && absl::StrContains(lower, wanted)) {
      distance = std::min<size_t>(distance, 1);
    }
    if (distance <= std::max<size_t>(2, wanted.size() / 3)) {
      scored.emplace_back(distance, candidate);
    }
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(limit, scored.size()); ++i) {
    names.push_back(scored[i].second);
  }
  return names;
}

std::string UnknownNameMessage(absl::string_view what, absl::string_view name,
                               const std::vector<std::string>& known) {
  constexpr size_t kListed = 12;
  const auto quote = [](std::string* out, const std::string& s) {
    absl::StrAppend(out, "\"", s, "\"");
  };
  std::string message = absl::StrCat("unknown ", what, " \"", name, "\"");
  if (const std::vector<std::string> near = NearMatches(name, known); !near.empty()) {
    absl::StrAppend(&message, "; did you mean ", absl::StrJoin(near, " or ", quote), "?");
  }
  if (!known.empty()) {
    const auto end = known.begin() + static_cast<std::ptrdiff_t>(std::min(kListed, known.size()));
    absl::StrAppend(&message, " known: ", absl::StrJoin(known.begin(), end, ", "),
                    known.size() > kListed ? ", ..." : "");
  }
  return message;
}

}  // namespace rwku
