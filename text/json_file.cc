#include "text/json_file.h"

#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::text {

using Json = nlohmann::json;

absl::StatusOr<std::string> ReadFileUpTo(const std::filesystem::path& path, uintmax_t limit) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (!error && size > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": ", size, " bytes, at most ", limit, " are read"));
  }
  return ReadFile(path);
}

absl::StatusOr<Json> ParseJsonObject(absl::string_view contents, absl::string_view file) {
  const auto invalid = [file](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
  };
  bool too_deep = false;
  const Json::parser_callback_t watch_depth = [&too_deep](int depth, Json::parse_event_t /*event*/,
                                                          Json& /*parsed*/) {
    too_deep = too_deep || depth > kJsonDepthLimit;
    return !too_deep;
  };
  Json json =
      Json::parse(contents.begin(), contents.end(), watch_depth, /*allow_exceptions=*/false);
  if (too_deep) {
    return invalid(absl::StrCat("nested deeper than ", kJsonDepthLimit, " levels"));
  }
  if (json.is_discarded()) {
    return invalid("not valid JSON");
  }
  if (!json.is_object()) {
    return invalid("not a JSON object");
  }
  return json;
}

absl::StatusOr<Json> ReadJsonObject(const std::filesystem::path& path) {
  RWKU_ASSIGN_OR_RETURN(const std::string contents, ReadFileUpTo(path, kJsonFileLimit));
  return ParseJsonObject(contents, path.string());
}

}  // namespace rwku::text
