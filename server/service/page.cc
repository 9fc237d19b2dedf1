#include "server/service/page.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "base/digest.h"
#include "net/status.h"

namespace rwku::service {
namespace {

// Enough of a digest to tell lists apart; not a secret.
std::string ScopeMark(absl::string_view scope) { return Sha256Hex(scope).substr(0, 12); }

}  // namespace

absl::StatusOr<size_t> PageSize(int requested, int fallback) {
  if (requested < 0) {
    return net::InvalidFields(
        {{"page_size", absl::StrCat("found ", requested, ", expected 0 to ", kMaxPageSize)}});
  }
  return static_cast<size_t>(requested == 0 ? fallback : std::min(requested, kMaxPageSize));
}

std::string MakePageToken(absl::string_view scope, const std::vector<uint64_t>& position) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(ScopeMark(scope), ":", absl::StrJoin(position, ",")));
}

absl::StatusOr<std::vector<uint64_t>> ParsePageToken(absl::string_view token,
                                                     absl::string_view scope, size_t count) {
  if (token.empty()) {
    return std::vector<uint64_t>(count, 0);
  }
  const absl::Status bad =
      net::InvalidFields({{"page_token",
                           "is not from a previous answer to this request; leave it empty to "
                           "start from the first page"}});
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) {
    return bad;
  }
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  if (parts.size() != 2 || parts[0] != ScopeMark(scope)) {
    return bad;
  }
  std::vector<uint64_t> position;
  for (const absl::string_view number : absl::StrSplit(parts[1], ',')) {
    uint64_t value = 0;
    if (!absl::SimpleAtoi(number, &value)) {
      return bad;
    }
    position.push_back(value);
  }
  if (position.size() != count) {
    return bad;
  }
  return position;
}

}  // namespace rwku::service
