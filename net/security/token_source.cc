#include "net/security/token_source.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "net/security/token.h"

namespace rwku::net {
namespace {

constexpr char kFlag[] = "--token-file";

absl::StatusOr<std::string> CheckToken(absl::string_view what, absl::string_view text) {
  const absl::string_view token = absl::StripAsciiWhitespace(text);
  if (!TokenIdOf(token)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": found ", token.size(),
                     " bytes that are no token; a token is rwku_<id>_<64 hexadecimal digits>, as "
                     "`rwku token create` prints it"));
  }
  return std::string(token);
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  RWKU_RETURN_IF_ERROR(CheckNotForAll(kFlag, path));
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat(kFlag, ": ", text.status().message()));
  }
  return CheckToken(absl::StrCat(kFlag, ": ", path), *text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenSource>> TokenSource::FromText(const std::string& what,
                                                                   absl::string_view text) {
  RWKU_ASSIGN_OR_RETURN(std::string token, CheckToken(what, text));
  return std::unique_ptr<TokenSource>(new TokenSource("", std::move(token)));
}

absl::StatusOr<std::unique_ptr<TokenSource>> TokenSource::FromFile(const std::string& path) {
  RWKU_RETURN_IF_ERROR(CheckNoToken(kFlag, path));
  const FileStamp stamp = StampOf(path);
  RWKU_ASSIGN_OR_RETURN(std::string token, ReadToken(path));
  std::unique_ptr<TokenSource> source(new TokenSource(path, std::move(token)));
  const absl::MutexLock lock(&source->mu_);
  source->reload_.Succeeded(stamp);
  return source;
}

std::string TokenSource::Token() {
  const absl::MutexLock lock(&mu_);
  if (!path_.empty()) {
    if (const FileStamp now = StampOf(path_); reload_.IsDue(now)) {
      absl::StatusOr<std::string> token = ReadToken(path_);
      if (token.ok()) {
        reload_.Succeeded(now);
        token_ = *std::move(token);
      } else if (reload_.IsNews(token.status())) {
        RWKU_LOG(kError, "changed token refused; the one before it stays")
            .With("error", token.status().message());
      }
    }
  }
  return token_;
}

}  // namespace rwku::net
