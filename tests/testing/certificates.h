// Certificates made on the spot by OpenSSL: an authority and what it signs, as PEM.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace rwku::testing {

struct PemPair {
  std::string certificate;
  std::string key;
};

// A certificate authority with a P-256 key of its own. Aborts on errors of OpenSSL.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // Its own certificate, to be trusted.
  const std::string& certificate() const { return certificate_; }

  // A certificate with a fresh key: subject CN=`name`,O=rwku; `alternative_names` as OpenSSL writes
  // them ("DNS:localhost", "IP:127.0.0.1"); valid from an hour ago for `validity` from now.
  PemPair Issue(const std::string& name, const std::vector<std::string>& alternative_names,
                absl::Duration validity = absl::Hours(1)) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string certificate_;
};

}  // namespace rwku::testing
