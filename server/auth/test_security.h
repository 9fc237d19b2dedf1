// For tests: a TLS server with every service of the wire (each call that is let in answers
// UNIMPLEMENTED), certificates, and a tokens file with one token a role.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rwku/v1/unlearning.grpc.pb.h"
#include "rwku/v1/worker.grpc.pb.h"
#include <grpcpp/channel.h>

#include "base/clock.h"
#include "net/security/channel_credentials.h"
#include "net/security/token.h"
#include "net/server.h"
#include "server/auth/security.h"
#include "tests/testing/certificates.h"
#include "tests/testing/temporary_folder.h"

namespace rwku::auth {

// Stands still until it is moved.
class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'800'000'000) + Monotonic(); }
  absl::Duration Monotonic() const override {
    const absl::MutexLock lock(&mu_);
    return now_;
  }
  void Advance(absl::Duration duration) {
    const absl::MutexLock lock(&mu_);
    now_ += duration;
  }

 private:
  mutable absl::Mutex mu_;
  absl::Duration now_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1);
};

class TestSecurity {
 public:
  TestSecurity();

  // Starts the server with `flags`, those of TLS and tokens by default.
  void Start(const SecurityFlags& flags);
  SecurityFlags Flags() const;
  Security& security() { return *security_; }
  net::Server& server() { return *server_; }
  std::string address() const { return server_->address(); }

  // A token of every role by its name, and such that ended: "expired-viewer", "revoked-admin", ...
  const std::string& token(const std::string& name) const { return tokens_.at(name); }
  // Writes the tokens file anew, with `change` made to the record `id`.
  void ChangeToken(const std::string& id, const std::function<void(net::TokenRecord&)>& change);
  // Gives the server (or with `name` "worker" the worker) a certificate of `subject`.
  void WriteCertificate(const std::string& name, const std::string& subject);

  // Trusts the server's authority; with `token` its text, with `certificate` the worker's.
  net::ChannelSecurity Client(const std::string& token, bool certificate = false) const;
  std::shared_ptr<grpc::Channel> Channel(const net::ChannelSecurity& security) const;

  std::string Path(const std::string& name) const { return folder_ / name; }
  testing::CertificateAuthority& authority() { return authority_; }

 private:
  // Valid until it is gone with the next call.
  net::TokenRecord* AddToken(const std::string& id, net::Role role);

  const testing::TemporaryFolder folder_;
  testing::CertificateAuthority authority_;
  const RealClock clock_;
  std::map<std::string, std::string> tokens_;
  std::vector<net::TokenRecord> records_;
  v1::UnlearningService::CallbackService unlearning_;
  v1::WorkerService::CallbackService workers_;
  std::unique_ptr<Security> security_;
  std::unique_ptr<net::Server> server_;
};

// Writes `contents` so that only the owner may read them.
void WritePrivate(const std::string& path, const std::string& contents);

// Calls any method with `headers` and `request`, as on the wire, and waits for its end; the first
// message of the answer, as on the wire, goes to `response`.
grpc::Status CallByName(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        std::string* response = nullptr,
                        const std::map<std::string, std::string>& headers = {},
                        const std::string& request = "");

// Calls a method that never ends by itself, with an empty request: OK once it answered.
grpc::Status OpenByName(const std::shared_ptr<grpc::Channel>& channel, const std::string& method);

}  // namespace rwku::auth
