#include "server/auth/test_security.h"

#include <filesystem>
#include <utility>

#include "absl/synchronization/notification.h"
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/file.h"
#include "net/channel.h"

namespace rwku::auth {

namespace fs = std::filesystem;

void WritePrivate(const std::string& path, const std::string& contents) {
  RWKU_CHECK(WriteFileAtomically(path, contents).ok());
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

TestSecurity::TestSecurity() : authority_("test authority") {
  WritePrivate(Path("ca.pem"), authority_.certificate());
  WriteCertificate("server", "rwku-server");
  WriteCertificate("worker", "worker-7");
  for (const net::Role role :
       {net::Role::kViewer, net::Role::kSubmitter, net::Role::kAdmin, net::Role::kWorker}) {
    const std::string name(net::RoleName(role));
    AddToken(name, role);
    AddToken("expired-" + name, role)->expires = clock_.Now() - absl::Hours(1);
    AddToken("revoked-" + name, role)->revoked = clock_.Now() - absl::Hours(1);
  }
  WritePrivate(Path("tokens.json"), net::FormatTokens(records_));
}

net::TokenRecord* TestSecurity::AddToken(const std::string& id, net::Role role) {
  const std::string token = net::NewToken(id);
  tokens_[id] = token;
  records_.push_back({.id = id,
                      .sha256 = net::TokenHash(token),
                      .role = role,
                      .created = clock_.Now() - absl::Hours(2),
                      .expires = clock_.Now() + absl::Hours(2),
                      .revoked = std::nullopt,
                      .comment = ""});
  return &records_.back();
}

void TestSecurity::WriteCertificate(const std::string& name, const std::string& subject) {
  const testing::PemPair pair = authority_.Issue(subject, {"DNS:localhost", "IP:127.0.0.1"});
  WritePrivate(Path(name + ".pem"), pair.certificate);
  WritePrivate(Path(name + ".key"), pair.key);
}

void TestSecurity::ChangeToken(const std::string& id,
                               const std::function<void(net::TokenRecord&)>& change) {
  for (net::TokenRecord& record : records_) {
    if (record.id == id) {
      change(record);
    }
  }
  WritePrivate(Path("tokens.json"), net::FormatTokens(records_));
}

SecurityFlags TestSecurity::Flags() const {
  SecurityFlags flags;
  flags.tls_certificate = Path("server.pem");
  flags.tls_key = Path("server.key");
  flags.tls_client_ca = Path("ca.pem");
  flags.tokens = Path("tokens.json");
  flags.audit_log = Path("audit.log");
  return flags;
}

void TestSecurity::Start(const SecurityFlags& flags) {
  auto security = Security::Create(flags, "127.0.0.1:0", /*insecure_listen=*/false, &clock_,
                                   /*poll_interval=*/absl::ZeroDuration());
  ASSERT_TRUE(security.ok()) << security.status();
  security_ = *std::move(security);
  auto server = net::Server::Start(
      security_->ServerOptions(),
      {security_->Guarded(&unlearning_, v1::UnlearningService::service_full_name()),
       security_->Guarded(&workers_, v1::WorkerService::service_full_name())});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

net::ChannelSecurity TestSecurity::Client(const std::string& token, bool certificate) const {
  net::ChannelSecurity security;
  security.tls_ca = Path("ca.pem");
  security.token = token;
  if (certificate) {
    security.tls_certificate = Path("worker.pem");
    security.tls_key = Path("worker.key");
  }
  return security;
}

std::shared_ptr<grpc::Channel> TestSecurity::Channel(const net::ChannelSecurity& security) const {
  auto channel = net::CreateChannel(address(), security);
  RWKU_CHECK(channel.ok());
  return *channel;
}

grpc::Status CallByName(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        std::string* response, const std::map<std::string, std::string>& headers,
                        const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  for (const auto& [name, value] : headers) {
    context.AddMetadata(name, value);
  }
  net::SetDeadline(&context, absl::Seconds(20));
  grpc::Slice slice(request);
  const grpc::ByteBuffer message(&slice, 1);
  grpc::ByteBuffer answer;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, method, {}, &message, &answer, [&](grpc::Status end) {
    status = std::move(end);
    done.Notify();
  });
  done.WaitForNotification();
  grpc::Slice bytes;
  if (response != nullptr && answer.DumpToSingleSlice(&bytes).ok()) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): gRPC's slices are bytes.
    response->assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }
  return status;
}

grpc::Status OpenByName(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  net::SetDeadline(&context, absl::Seconds(20));
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  next();
  grpc::Slice empty("", 0);
  call->WriteLast(grpc::ByteBuffer(&empty, 1), {}, nullptr);
  next();
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  const bool answered = next();
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  return answered ? grpc::Status::OK : status;
}

}  // namespace rwku::auth
