// Which targets a user means.
#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "base/near_match.h"
#include "base/status_macros.h"
#include "benchmark/dataset/dataset.h"

namespace rwku::dataset {
namespace {

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace

absl::StatusOr<const TargetInfo*> Dataset::FindTarget(absl::string_view name_or_number) const {
  const absl::string_view wanted = absl::StripAsciiWhitespace(name_or_number);
  std::vector<std::string> known;
  known.reserve(targets_.size());
  for (const TargetInfo& target : targets_) {
    if (target.name == wanted) {
      return &target;
    }
    known.push_back(target.name);
  }
  if (IsNumber(wanted)) {
    int number = 0;
    const bool fits = absl::SimpleAtoi(wanted, &number);
    for (const TargetInfo& target : targets_) {
      if (fits && target.number == number) {
        return &target;
      }
    }
    return absl::NotFoundError(absl::StrCat(
        "unknown target number ", wanted, "; the dataset holds ", targets_.size(),
        " targets, numbers ", targets_.front().number, " to ", targets_.back().number));
  }
  return absl::NotFoundError(UnknownNameMessage("target", wanted, known));
}

absl::StatusOr<std::vector<const TargetInfo*>> Dataset::Select(
    absl::Span<const std::string> selectors) const {
  std::set<int> numbers;
  for (const std::string& selector : selectors) {
    const absl::string_view text = absl::StripAsciiWhitespace(selector);
    const size_t dash = text.find('-');
    const bool range = dash != absl::string_view::npos && IsNumber(text.substr(0, dash)) &&
                       IsNumber(text.substr(dash + 1));
    if (!range) {
      RWKU_ASSIGN_OR_RETURN(const TargetInfo* target, FindTarget(text));
      numbers.insert(target->number);
      continue;
    }
    RWKU_ASSIGN_OR_RETURN(const TargetInfo* first, FindTarget(text.substr(0, dash)));
    RWKU_ASSIGN_OR_RETURN(const TargetInfo* last, FindTarget(text.substr(dash + 1)));
    if (first->number > last->number) {
      return absl::InvalidArgumentError(
          absl::StrCat("targets \"", text, "\": the range ends before it begins"));
    }
    for (int number = first->number; number <= last->number; ++number) {
      RWKU_RETURN_IF_ERROR(FindTarget(absl::StrCat(number)).status());
      numbers.insert(number);
    }
  }
  std::vector<const TargetInfo*> selected;
  for (const TargetInfo& target : targets_) {
    if (selectors.empty() || numbers.contains(target.number)) {
      selected.push_back(&target);
    }
  }
  return selected;
}

}  // namespace rwku::dataset
