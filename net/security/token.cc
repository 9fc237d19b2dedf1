#include "net/security/token.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace rwku::net {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kPrefix = "rwku_";
constexpr absl::string_view kNever = "never";
constexpr size_t kMaxIdBytes = 32;
constexpr size_t kSecretBytes = 32;
constexpr size_t kHexDigits = 2 * kSecretBytes;
constexpr size_t kMaxTokens = 10'000;
constexpr size_t kMaxCommentBytes = 256;

constexpr std::array<std::pair<Role, absl::string_view>, 4> kRoles = {{
    {Role::kViewer, "viewer"},
    {Role::kSubmitter, "submitter"},
    {Role::kAdmin, "admin"},
    {Role::kWorker, "worker"},
}};

// At the front of `text`.
size_t CountHexDigits(absl::string_view text) {
  const auto* const end = std::find_if_not(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  return static_cast<size_t>(end - text.begin());
}

bool IsHex(absl::string_view text) {
  return text.size() == kHexDigits && CountHexDigits(text) == kHexDigits;
}

// Reads one record, with errors that name the field.
class RecordReader {
 public:
  RecordReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  absl::StatusOr<TokenRecord> Read() const {
    if (!json_.is_object()) {
      return Wrong("", "is no object");
    }
    static const std::set<std::string>& known = *new std::set<std::string>{
        "id", "role", "sha256", "created", "expires", "revoked", "comment"};
    for (const auto& [key, value] : json_.items()) {
      if (!known.contains(key)) {
        return Wrong(key,
                     "is no field of a token; allowed are id, role, sha256, created, expires, "
                     "revoked and comment");
      }
      if (!value.is_string()) {
        return Wrong(key, "is no text in quotes");
      }
    }
    TokenRecord record;
    record.id = Text("id");
    if (!IsTokenId(record.id)) {
      return Wrong("id", "is missing or not 1 to 32 lower-case letters, digits or '-'");
    }
    absl::StatusOr<Role> role = ParseRole(Text("role"));
    if (!role.ok()) {
      return Wrong("role", role.status().message());
    }
    record.role = *role;
    record.sha256 = Text("sha256");
    if (!IsHex(record.sha256)) {
      return Wrong("sha256", "is missing or not 64 hexadecimal digits in lower case");
    }
    RWKU_ASSIGN_OR_RETURN(record.created, Time("created"));
    if (Text("expires") != kNever) {
      RWKU_ASSIGN_OR_RETURN(record.expires, Time("expires"));
    }
    if (json_.contains("revoked")) {
      RWKU_ASSIGN_OR_RETURN(record.revoked, Time("revoked"));
    }
    record.comment = Text("comment");
    if (record.comment.size() > kMaxCommentBytes) {
      return Wrong("comment", absl::StrCat("has ", record.comment.size(),
                                           " bytes, allowed at most ", kMaxCommentBytes));
    }
    return record;
  }

  absl::Status Wrong(absl::string_view field, absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(
        where_, field.empty() ? "" : absl::StrCat(", field \"", field, "\""), ": ", problem));
  }

 private:
  std::string Text(const char* field) const {
    const auto found = json_.find(field);
    return found == json_.end() ? "" : found->get<std::string>();
  }

  absl::StatusOr<absl::Time> Time(const char* field) const {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, Text(field), &time, &error)) {
      return Wrong(field,
                   absl::StrCat("is missing or no time such as 2026-01-02T03:04:05Z",
                                absl::string_view(field) == "expires" ? " (or \"never\")" : ""));
    }
    return time;
  }

  const Json& json_;
  const std::string where_;
};

std::string TimeText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

}  // namespace

absl::string_view RoleName(Role role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) {
      return name;
    }
  }
  return "unknown";
}

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  for (const auto& [role, known] : kRoles) {
    if (known == name) {
      return role;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(name), "\" is no role; allowed are viewer, submitter, admin, worker"));
}

bool IsTokenId(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
         });
}

std::string NewToken(absl::string_view id) {
  RWKU_CHECK(IsTokenId(id));
  std::array<char, kSecretBytes> secret{};
  size_t filled = 0;
  while (filled < secret.size()) {
    const ssize_t got = getrandom(secret.data() + filled, secret.size() - filled, 0);
    RWKU_CHECK(got > 0 || errno == EINTR);
    filled += got > 0 ? static_cast<size_t>(got) : 0;
  }
  return absl::StrCat(kPrefix, id, "_",
                      absl::BytesToHexString(absl::string_view(secret.data(), secret.size())));
}

std::optional<absl::string_view> TokenIdOf(absl::string_view token) {
  if (!absl::ConsumePrefix(&token, kPrefix)) {
    return std::nullopt;
  }
  const size_t end = token.find('_');
  if (end == absl::string_view::npos || !IsTokenId(token.substr(0, end)) ||
      !IsHex(token.substr(end + 1))) {
    return std::nullopt;
  }
  return token.substr(0, end);
}

absl::Status CheckNoToken(absl::string_view flag, absl::string_view value) {
  // Fewer digits than a token has: one that was cut on the way is still most of a secret.
  constexpr size_t kSuspicious = kHexDigits / 4;
  for (size_t start = value.find(kPrefix); start != absl::string_view::npos;
       start = value.find(kPrefix, start + 1)) {
    const absl::string_view rest = value.substr(start + kPrefix.size());
    const size_t end = rest.find('_');
    if (end != absl::string_view::npos && IsTokenId(rest.substr(0, end)) &&
        CountHexDigits(rest.substr(end + 1)) >= kSuspicious) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": holds a token, not the name of a file"));
    }
  }
  return absl::OkStatus();
}

std::string TokenHash(absl::string_view token) { return Sha256Hex(token); }

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::StatusOr<std::vector<TokenRecord>> ParseTokens(absl::string_view text,
                                                     absl::string_view file) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.size() != 1 || !json.contains("tokens") ||
      !json["tokens"].is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": is no JSON object {\"tokens\": [...]}; `rwku token create` writes such a file"));
  }
  const Json& array = json["tokens"];
  if (array.size() > kMaxTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": holds ", array.size(), " tokens, allowed at most ", kMaxTokens));
  }
  std::vector<TokenRecord> tokens;
  std::set<std::string> ids;
  for (const Json& item : array) {
    const bool named = item.is_object() && item.contains("id") && item["id"].is_string() &&
                       IsTokenId(item["id"].get<std::string>());
    const RecordReader reader(
        item, absl::StrCat(file, ": token ", tokens.size() + 1,
                           named ? absl::StrCat(" (", item["id"].get<std::string>(), ")") : ""));
    RWKU_ASSIGN_OR_RETURN(TokenRecord record, reader.Read());
    if (!ids.insert(record.id).second) {
      return reader.Wrong("id", "is that of an earlier token, too");
    }
    tokens.push_back(std::move(record));
  }
  return tokens;
}

std::string FormatTokens(const std::vector<TokenRecord>& tokens) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const TokenRecord& token : tokens) {
    nlohmann::ordered_json item;
    item["id"] = token.id;
    item["role"] = std::string(RoleName(token.role));
    item["sha256"] = token.sha256;
    item["created"] = TimeText(token.created);
    item["expires"] =
        token.expires == absl::InfiniteFuture() ? std::string(kNever) : TimeText(token.expires);
    if (token.revoked) {
      item["revoked"] = TimeText(*token.revoked);
    }
    if (!token.comment.empty()) {
      item["comment"] = token.comment;
    }
    array.push_back(std::move(item));
  }
  nlohmann::ordered_json json;
  json["tokens"] = std::move(array);
  return json.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace rwku::net
