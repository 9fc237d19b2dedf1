// Reads the JSON files of a model folder, which come from anywhere: size and depth are bounded
// before anything recursive sees them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace rwku::text {

inline constexpr uintmax_t kJsonFileLimit = 16'000'000;  // bytes
inline constexpr int kJsonDepthLimit = 64;

// The whole file. Errors of base/file.h's ReadFile; INVALID_ARGUMENT names a file of more than
// `limit` bytes, which is not read.
absl::StatusOr<std::string> ReadFileUpTo(const std::filesystem::path& path, uintmax_t limit);

// The JSON object in `contents`. INVALID_ARGUMENT names `file` when it is none, or nests deeper
// than kJsonDepthLimit.
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view contents, absl::string_view file);

// Both, with kJsonFileLimit.
absl::StatusOr<nlohmann::json> ReadJsonObject(const std::filesystem::path& path);

}  // namespace rwku::text
