// A tokens file on disk, edited by one process at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "net/security/token.h"

namespace rwku::net {

// Errors name the file; those of ParseTokens the record and the field, too.
absl::StatusOr<std::vector<TokenRecord>> ReadTokens(const std::string& path);

// Reads the file (none is one without tokens), lets `edit` change the records and writes them so
// that a reader sees the old file or the new one. Other editors wait meanwhile. A file that is made
// has mode 0600; one that is replaced keeps its mode, and its owner where this process may give it
// away. An error of `edit` is returned and leaves the file as it is.
absl::Status EditTokens(const std::string& path,
                        const std::function<absl::Status(std::vector<TokenRecord>*)>& edit);

}  // namespace rwku::net
