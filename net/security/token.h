// Bearer tokens and the file that holds their hashes.
//
// A token is "rwku_<id>_<secret>": the id finds its record, the secret is 256 bits of the operating
// system's random generator in hexadecimal. The file keeps the SHA-256 of the whole token. A slow,
// salted hash is for passwords, which people choose and others guess; nobody guesses 256 bits, and
// equal secrets do not occur.
//
// The file is JSON: {"tokens": [{"id": "ci", "role": "submitter", "sha256": "<64 digits>",
// "created": "2026-01-02T03:04:05Z", "expires": "2026-04-02T03:04:05Z" or "never",
// "revoked": "2026-02-02T03:04:05Z", "comment": "..."}]}; "revoked" and "comment" may be missing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rwku::net {

// What the holder of a token may do; server/auth has the table.
enum class Role { kViewer, kSubmitter, kAdmin, kWorker };

absl::string_view RoleName(Role role);
// INVALID_ARGUMENT that lists the roles.
absl::StatusOr<Role> ParseRole(absl::string_view name);

struct TokenRecord {
  std::string id;
  std::string sha256;  // of the token, 64 lower-case hexadecimal digits
  Role role = Role::kViewer;
  absl::Time created;
  absl::Time expires = absl::InfiniteFuture();
  std::optional<absl::Time> revoked;
  std::string comment;
};

// Ids: 1 to 32 lower-case letters, digits or '-'. No '_', which ends the id within a token.
bool IsTokenId(absl::string_view text);

// A token with a fresh secret. `id` is one.
std::string NewToken(absl::string_view id);

// The id within `token`, or nothing if it has not the form of a token.
std::optional<absl::string_view> TokenIdOf(absl::string_view token);

// INVALID_ARGUMENT that names `flag` and does not show `value` if that, which should be the name of
// a file, looks like a token or a part of one.
absl::Status CheckNoToken(absl::string_view flag, absl::string_view value);

std::string TokenHash(absl::string_view token);

// Takes the same time wherever equally long texts differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

// Errors are INVALID_ARGUMENT and name `file`, the record (by number and id) and the field.
absl::StatusOr<std::vector<TokenRecord>> ParseTokens(absl::string_view text,
                                                     absl::string_view file);
std::string FormatTokens(const std::vector<TokenRecord>& tokens);

}  // namespace rwku::net
