#include "client/cli/target_list.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "base/status_macros.h"

namespace rwku::cli {
namespace {

constexpr uint64_t kLongestSeedRange = 10000;

absl::Status Wrong(absl::string_view flag, absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " \"", text, "\": ", what));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseList(absl::string_view flag, absl::string_view text) {
  std::vector<std::string> entries;
  absl::string_view rest = text;
  while (true) {
    rest = absl::StripLeadingAsciiWhitespace(rest);
    std::string entry;
    if (!rest.empty() && rest.front() == '"') {
      rest.remove_prefix(1);
      bool closed = false;
      while (!rest.empty() && !closed) {
        if (rest.front() != '"') {
          entry.push_back(rest.front());
        } else if (rest.size() > 1 && rest[1] == '"') {
          entry.push_back('"');
          rest.remove_prefix(1);
        } else {
          closed = true;
        }
        rest.remove_prefix(1);
      }
      if (!closed) {
        return Wrong(flag, text, "a double quote does not close");
      }
      rest = absl::StripLeadingAsciiWhitespace(rest);
      if (!rest.empty() && rest.front() != ',') {
        return Wrong(flag, text, "only a comma may follow a closing quote");
      }
    } else {
      const size_t comma = rest.find(',');
      const absl::string_view plain = rest.substr(0, comma);
      entry = std::string(absl::StripTrailingAsciiWhitespace(plain));
      rest.remove_prefix(plain.size());
    }
    if (entry.empty()) {
      return Wrong(flag, text, "an entry is empty");
    }
    entries.push_back(std::move(entry));
    if (rest.empty()) {
      return entries;
    }
    rest.remove_prefix(1);  // the comma
  }
}

absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text) {
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> entries, ParseList("--seed", text));
  std::vector<uint64_t> seeds;
  for (const std::string& entry : entries) {
    const std::vector<absl::string_view> ends = absl::StrSplit(entry, absl::MaxSplits('-', 1));
    uint64_t first = 0;
    uint64_t last = 0;
    if (!absl::SimpleAtoi(ends.front(), &first) || !absl::SimpleAtoi(ends.back(), &last)) {
      return Wrong("--seed", text, absl::StrCat("\"", entry, "\" is not a whole number or range"));
    }
    if (last < first || last - first >= kLongestSeedRange) {
      return Wrong("--seed", text,
                   absl::StrCat("range \"", entry, "\" must grow and hold at most ",
                                kLongestSeedRange, " seeds"));
    }
    for (uint64_t seed = first; seed - first <= last - first; ++seed) {
      seeds.push_back(seed);
      if (seed == last) {
        break;  // the largest seed has no successor
      }
    }
  }
  return seeds;
}

}  // namespace rwku::cli
