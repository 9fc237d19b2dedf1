// Certificate, private key and trusted certificates as PEM files that are replaced while the
// process runs. Reads and judges them; who speaks TLS with them is not decided here.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "net/security/file_stamp.h"
#include "net/security/reload_state.h"

namespace rwku::net {

// Certificate and key come together or not at all; `ca` may be empty.
struct TlsPaths {
  std::string certificate;  // chain, the own certificate first
  std::string key;          // not encrypted
  std::string ca;           // one or more trusted certificates
  // The flag that names `ca`, for messages; the others are --tls-certificate and --tls-key.
  std::string ca_flag = "--tls-ca";
};

// What the files hold, in PEM. Never printed.
struct TlsMaterial {
  std::string certificate;
  std::string key;
  std::string ca;
  std::string subject;                            // of the own certificate: "CN=rwku-server,O=x"
  absl::Time not_after = absl::InfiniteFuture();  // of the own certificate
};

// Reads and checks: the key belongs to the certificate, nobody but owner and group may read it, the
// certificate is valid at `now`, and `ca` may not be written by everybody. Errors name the flag,
// the file and the problem, never a file's contents.
absl::StatusOr<TlsMaterial> ReadTlsMaterial(const TlsPaths& paths, absl::Time now);

// The newest good contents of the files. Thread-safe.
class TlsFiles {
 public:
  // Errors as ReadTlsMaterial. `clock` outlives this.
  static absl::StatusOr<std::unique_ptr<TlsFiles>> Create(TlsPaths paths, const Clock* clock);

  // Reads again what changed since it was read last. Of files that cannot be read, do not fit
  // together or are not valid yet, the problem is logged once; what was read before them stays, and
  // every call looks at them again: the reason may lie outside the files. `version`, if not null,
  // gets a number that grows with every new contents, from 1.
  std::shared_ptr<const TlsMaterial> Current(int64_t* version = nullptr) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Stamps {
    FileStamp certificate;
    FileStamp key;
    FileStamp ca;
    bool operator==(const Stamps&) const = default;
  };

  TlsFiles(TlsPaths paths, const Clock* clock) : paths_(std::move(paths)), clock_(clock) {}
  Stamps Look() const;

  const TlsPaths paths_;
  const Clock* const clock_;
  absl::Mutex mu_;
  ReloadState<Stamps> reload_ ABSL_GUARDED_BY(mu_);  // of `current_`
  std::shared_ptr<const TlsMaterial> current_ ABSL_GUARDED_BY(mu_);
  int64_t version_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace rwku::net
