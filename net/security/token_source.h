// The token that a client or a worker shows: fixed, or the first line of a file that is replaced
// while the process runs.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "net/security/file_stamp.h"
#include "net/security/reload_state.h"

namespace rwku::net {

// Thread-safe. No message holds the token or a part of it beyond its id.
class TokenSource {
 public:
  // INVALID_ARGUMENT that names `what` ("RWKU_TOKEN") if the text is no token.
  static absl::StatusOr<std::unique_ptr<TokenSource>> FromText(const std::string& what,
                                                               absl::string_view text);
  // Errors name --token-file and the path: it cannot be read, everybody may read it, or it holds no
  // token. A path that is a token itself is not shown.
  static absl::StatusOr<std::unique_ptr<TokenSource>> FromFile(const std::string& path);

  // The token as the file has it. A changed file that cannot be read or holds no token is logged
  // once and looked at again every time; until it is good, the last good token stays.
  std::string Token() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  TokenSource(std::string path, std::string token)
      : path_(std::move(path)), token_(std::move(token)) {}

  const std::string path_;  // empty: the token is fixed
  absl::Mutex mu_;
  std::string token_ ABSL_GUARDED_BY(mu_);
  ReloadState<FileStamp> reload_ ABSL_GUARDED_BY(mu_);  // of `token_`
};

}  // namespace rwku::net
