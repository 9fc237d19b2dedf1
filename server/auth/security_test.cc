// What changes while a server runs: certificates, tokens, limits, files; and what it refuses to
// start with.
#include "server/auth/security.h"

#include <chrono>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "net/channel.h"
#include "server/auth/test_security.h"
#include "tests/testing/process.h"

namespace rwku::auth {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = grpc::StatusCode;

constexpr char kListRuns[] = "/rwku.v1.UnlearningService/ListRuns";
constexpr char kCancelRun[] = "/rwku.v1.UnlearningService/CancelRun";

// Streams that stay open: a worker's that waits, and a watch.
class OpenWorkers final : public v1::WorkerService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Connect(
      grpc::CallbackServerContext* /*context*/) override {
    class Reactor final
        : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage> {
     public:
      Reactor() { StartRead(&in_); }
      // Every message is answered, so that one can see that the stream lives.
      void OnReadDone(bool ok) override {
        if (ok) {
          StartWrite(&out_);
        } else {
          Finish(grpc::Status::OK);
        }
      }
      void OnWriteDone(bool ok) override {
        if (ok) {
          StartRead(&in_);
        }
      }
      void OnDone() override { delete this; }

     private:
      v1::WorkerMessage in_;
      v1::CoordinatorMessage out_;
    };
    return new Reactor;
  }
};

class SecurityTest : public ::testing::Test {
 protected:
  // A server whose worker streams stay open.
  void StartOpen(const SecurityFlags& flags) {
    auto security = Security::Create(flags, "127.0.0.1:0", false, &clock_, absl::ZeroDuration());
    ASSERT_TRUE(security.ok()) << security.status();
    security_ = *std::move(security);
    auto server = net::Server::Start(security_->ServerOptions(), Services());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::vector<grpc::Service*> Services() {
    return {security_->Guarded(&unlearning_, v1::UnlearningService::service_full_name()),
            security_->Guarded(&workers_, v1::WorkerService::service_full_name())};
  }
  std::shared_ptr<grpc::Channel> Channel(const net::ChannelSecurity& security) const {
    return *net::CreateChannel(server_->address(), security);
  }
  std::vector<nlohmann::json> AuditLines() const {
    std::vector<nlohmann::json> lines;
    for (absl::string_view line :
         absl::StrSplit(*ReadFile(files_.Path("audit.log")), '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }

  TestSecurity files_;
  const RealClock clock_;
  v1::UnlearningService::CallbackService unlearning_;
  OpenWorkers workers_;
  std::unique_ptr<Security> security_;
  std::unique_ptr<net::Server> server_;
};

// One worker's stream.
class WorkerStream {
 public:
  explicit WorkerStream(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::WorkerService::NewStub(channel)) {
    net::SetDeadline(&context_);
    stream_ = stub_->Connect(&context_);
  }
  // Whether a message goes there and back.
  bool Alive() {
    v1::WorkerMessage message;
    message.mutable_hello()->set_worker("w7");
    v1::CoordinatorMessage answer;
    return stream_->Write(message) && stream_->Read(&answer);
  }
  // The server's certificate on this connection.
  std::string ServerCertificate() const {
    const auto values = context_.auth_context()->FindPropertyValues("x509_subject");
    return values.empty() ? "" : std::string(values.front().data(), values.front().size());
  }
  grpc::Status AwaitEnd() {
    v1::CoordinatorMessage answer;
    while (stream_->Read(&answer)) {
    }
    return stream_->Finish();
  }
  grpc::Status Close() {
    stream_->WritesDone();
    return AwaitEnd();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
};

TEST_F(SecurityTest, NewConnectionsGetTheNewCertificateWhileAnOldStreamGoesOn) {
  StartOpen(files_.Flags());
  const net::ChannelSecurity worker = files_.Client(files_.token("worker"), true);
  WorkerStream old(Channel(worker));
  ASSERT_TRUE(old.Alive());
  EXPECT_THAT(old.ServerCertificate(), HasSubstr("CN=rwku-server"));

  files_.WriteCertificate("server", "rwku-server-2");
  WorkerStream fresh(Channel(worker));
  ASSERT_TRUE(fresh.Alive());
  EXPECT_THAT(fresh.ServerCertificate(), HasSubstr("CN=rwku-server-2"));
  EXPECT_TRUE(old.Alive());
  EXPECT_THAT(old.ServerCertificate(), Not(HasSubstr("CN=rwku-server-2")));
  EXPECT_TRUE(old.Close().ok());
  EXPECT_TRUE(fresh.Close().ok());
}

TEST_F(SecurityTest, CertificatesThatDoNotFitTogetherAreRefusedAndTheOldOnesServe) {
  StartOpen(files_.Flags());
  WritePrivate(files_.Path("server.key"), files_.authority().Issue("stray", {}).key);
  WorkerStream stream(Channel(files_.Client(files_.token("worker"), true)));
  ASSERT_TRUE(stream.Alive());
  EXPECT_THAT(stream.ServerCertificate(), HasSubstr("CN=rwku-server"));
  EXPECT_TRUE(stream.Close().ok());
}

TEST_F(SecurityTest, AnotherAuthorityIsTrustedOnceItsFileSaysSo) {
  StartOpen(files_.Flags());
  const testing::CertificateAuthority other("another authority");
  const testing::PemPair pair = other.Issue("worker-8", {"DNS:worker-8"});
  WritePrivate(files_.Path("other.pem"), pair.certificate);
  WritePrivate(files_.Path("other.key"), pair.key);
  net::ChannelSecurity worker = files_.Client(files_.token("worker"));
  worker.tls_certificate = files_.Path("other.pem");
  worker.tls_key = files_.Path("other.key");
  EXPECT_FALSE(WorkerStream(Channel(worker)).Alive());

  // The worker trusts the server's authority by the same file; both stay in it.
  WritePrivate(files_.Path("ca.pem"),
               absl::StrCat(files_.authority().certificate(), other.certificate()));
  WorkerStream stream(Channel(worker));
  EXPECT_TRUE(stream.Alive());
  EXPECT_TRUE(stream.Close().ok());
}

TEST_F(SecurityTest, AWorkersNewConnectionsShowItsNewCertificate) {
  StartOpen(files_.Flags());
  const auto channel = Channel(files_.Client(files_.token("worker"), true));
  WorkerStream first(channel);
  ASSERT_TRUE(first.Alive());
  files_.WriteCertificate("worker", "worker-7-renewed");
  // gRPC looks once a second; the next connection of the same channel comes after its server did.
  const std::string address = server_->address();
  const bool shown =
      testing::WaitUntil("the new certificate", absl::Seconds(30), [&] {
        server_->Shutdown(absl::ZeroDuration());
        server_.reset();
        auto options = security_->ServerOptions();
        options.listen = address;
        server_ = *net::Server::Start(options, Services());
        WorkerStream next(channel);
        if (!next.Alive()) {
          return false;
        }
        next.Close();
        return absl::StrContains(*ReadFile(files_.Path("audit.log")), "CN=worker-7-renewed");
      }).ok();
  EXPECT_TRUE(shown);
}

TEST_F(SecurityTest, StreamsEndWhenTheirTokenIsReplacedUnderTheSameId) {
  StartOpen(files_.Flags());
  const auto channel = Channel(files_.Client(files_.token("worker"), true));
  WorkerStream stream(channel);
  ASSERT_TRUE(stream.Alive());
  const std::string successor = net::NewToken("worker");
  files_.ChangeToken("worker",
                     [&](net::TokenRecord& record) { record.sha256 = net::TokenHash(successor); });
  security_->Poll();
  EXPECT_EQ(stream.AwaitEnd().error_code(), Code::CANCELLED);
  EXPECT_EQ(WorkerStream(channel).AwaitEnd().error_code(), Code::UNAUTHENTICATED);
  WorkerStream fresh(Channel(files_.Client(successor, true)));
  EXPECT_TRUE(fresh.Alive());
  security_->Poll();
  EXPECT_TRUE(fresh.Alive());
}

TEST_F(SecurityTest, SeveralAuthorizationsAreRefusedCountedAndAudited) {
  SecurityFlags flags = files_.Flags();
  flags.rate_limit = 0.001;  // one call, and the next after long
  files_.Start(flags);
  // The channel sends a token, and each call another header.
  const auto channel = files_.Channel(files_.Client(files_.token("viewer")));
  const auto call = [&](const std::string& method) {
    return CallByName(channel, method, nullptr, {{"authorization", "Bearer x"}});
  };
  EXPECT_TRUE(call("/grpc.health.v1.Health/Check").ok());
  const grpc::Status refused = call(kListRuns);
  EXPECT_EQ(refused.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(refused.error_message(), HasSubstr("several authorization headers"));
  EXPECT_EQ(call(kListRuns).error_code(), Code::RESOURCE_EXHAUSTED);
  const std::vector<nlohmann::json> lines = AuditLines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["method"], kListRuns);
  EXPECT_EQ(lines[0]["outcome"], "UNAUTHENTICATED");
  EXPECT_EQ(lines[1]["outcome"], "RESOURCE_EXHAUSTED");
  // The token's own share is untouched.
  EXPECT_EQ(CallByName(channel, kListRuns).error_code(), Code::UNIMPLEMENTED);
}

TEST_F(SecurityTest, StrangersAreLimitedEvenWithoutARateLimit) {
  FakeClock clock;
  const auto audit = AuditLog::Open(files_.Path("audit.log"), &clock);
  ASSERT_TRUE(audit.ok());
  const auto tokens = TokenStore::Create(files_.Path("tokens.json"), &clock_);
  ASSERT_TRUE(tokens.ok());
  RefusalLog refusals(audit->get(), &clock);
  Guard guard({.tokens = tokens->get(),
               .refusals = &refusals,
               .clock = &clock,
               .rate_limit = std::nullopt,
               .strangers = kStrangers});
  const std::string viewer = "Bearer " + files_.token("viewer");
  int unauthenticated = 0;
  int exhausted = 0;
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 1000; ++i) {
      net::CallFacts facts;
      facts.method = kListRuns;
      const absl::Status status = guard.Check(facts);
      unauthenticated += absl::IsUnauthenticated(status) ? 1 : 0;
      exhausted += absl::IsResourceExhausted(status) ? 1 : 0;
      facts.authorization = viewer;
      EXPECT_TRUE(guard.Check(facts).ok());
    }
    clock.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(unauthenticated, 200 + 9 * 100);
  EXPECT_EQ(exhausted, 10000 - unauthenticated);
  EXPECT_LE(AuditLines().size(), 10U * (kRefusalsASecond + 1));
}

TEST_F(SecurityTest, StreamsEndWhenTheirTokenIsRevoked) {
  StartOpen(files_.Flags());
  const auto channel = Channel(files_.Client(files_.token("worker"), true));
  WorkerStream stream(channel);
  ASSERT_TRUE(stream.Alive());
  security_->Poll();
  EXPECT_TRUE(stream.Alive());

  files_.ChangeToken("worker", [](net::TokenRecord& record) { record.revoked = record.created; });
  security_->Poll();
  EXPECT_EQ(stream.AwaitEnd().error_code(), Code::CANCELLED);
  const grpc::Status again = WorkerStream(channel).AwaitEnd();
  EXPECT_EQ(again.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(again.error_message(), HasSubstr("was revoked"));
}

TEST_F(SecurityTest, StreamsEndWhenTheirTokenExpiresOrIsOfAnotherRole) {
  StartOpen(files_.Flags());
  const auto channel = Channel(files_.Client(files_.token("worker"), true));
  for (const bool expires : {true, false}) {
    files_.ChangeToken("worker", [&](net::TokenRecord& record) {
      record.role = net::Role::kWorker;
      record.expires = clock_.Now() + absl::Hours(1);
    });
    security_->Poll();
    WorkerStream stream(channel);
    ASSERT_TRUE(stream.Alive());
    files_.ChangeToken("worker", [&](net::TokenRecord& record) {
      (expires ? record.expires : record.created) = clock_.Now() - absl::Seconds(1);
      record.role = expires ? net::Role::kWorker : net::Role::kAdmin;
    });
    security_->Poll();
    EXPECT_EQ(stream.AwaitEnd().error_code(), Code::CANCELLED);
  }
}

TEST_F(SecurityTest, TokensChangeWithoutAnEndOfService) {
  files_.Start(files_.Flags());
  // A second token for the same holder, then the first one is revoked.
  WritePrivate(files_.Path("mine"), files_.token("viewer") + "\n");
  net::ChannelSecurity security = files_.Client("");
  security.token_file = files_.Path("mine");
  const auto channel = files_.Channel(security);
  EXPECT_EQ(CallByName(channel, kListRuns).error_code(), Code::UNIMPLEMENTED);
  WritePrivate(files_.Path("mine"), files_.token("submitter"));
  EXPECT_EQ(CallByName(channel, kListRuns).error_code(), Code::UNIMPLEMENTED);
  files_.ChangeToken("viewer", [](net::TokenRecord& record) { record.revoked = record.created; });
  files_.security().Poll();
  EXPECT_EQ(CallByName(channel, kListRuns).error_code(), Code::UNIMPLEMENTED);
  EXPECT_EQ(
      CallByName(files_.Channel(files_.Client(files_.token("viewer"))), kListRuns).error_code(),
      Code::UNAUTHENTICATED);
  // A file without a token is no reason to stop.
  WritePrivate(files_.Path("mine"), "");
  EXPECT_EQ(CallByName(channel, kListRuns).error_code(), Code::UNIMPLEMENTED);
}

TEST_F(SecurityTest, ABrokenTokensFileIsRefusedAndTheOldSetStays) {
  files_.Start(files_.Flags());
  WritePrivate(files_.Path("tokens.json"), "{\"tokens\": [{\"id\": \"x\"}]}");
  files_.security().Poll();
  EXPECT_EQ(
      CallByName(files_.Channel(files_.Client(files_.token("viewer"))), kListRuns).error_code(),
      Code::UNIMPLEMENTED);
}

TEST_F(SecurityTest, ATokenHasItsOwnShareOfCalls) {
  SecurityFlags flags = files_.Flags();
  flags.rate_limit = 0.001;  // one call, and the next after long
  files_.Start(flags);
  const auto viewer = files_.Channel(files_.Client(files_.token("viewer")));
  EXPECT_EQ(CallByName(viewer, kListRuns).error_code(), Code::UNIMPLEMENTED);
  const grpc::Status refused = CallByName(viewer, kListRuns);
  EXPECT_EQ(refused.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("retry in "));
  const auto admin = files_.Channel(files_.Client(files_.token("admin")));
  EXPECT_EQ(CallByName(admin, kListRuns).error_code(), Code::UNIMPLEMENTED);
  // Callers without a token share one; health checks are not counted.
  const auto nobody = files_.Channel(files_.Client(""));
  EXPECT_EQ(CallByName(nobody, kListRuns).error_code(), Code::UNAUTHENTICATED);
  const auto other = files_.Channel(files_.Client(net::NewToken("viewer")));
  EXPECT_EQ(CallByName(other, kListRuns).error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(CallByName(nobody, "/grpc.health.v1.Health/Check").ok());
  EXPECT_TRUE(CallByName(nobody, "/grpc.health.v1.Health/Check").ok());
}

TEST_F(SecurityTest, UnderOverloadOthersAreServed) {
  SecurityFlags flags = files_.Flags();
  flags.rate_limit = 20;  // and 40 at once
  files_.Start(flags);
  const auto flood = files_.Channel(files_.Client(files_.token("viewer")));
  int served = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 300; ++i) {
    served += CallByName(flood, kListRuns).error_code() == Code::UNIMPLEMENTED ? 1 : 0;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(served, 40);
  EXPECT_LE(served, 40 + static_cast<int>(20 * seconds) + 1);
  const auto admin = files_.Channel(files_.Client(files_.token("admin")));
  EXPECT_EQ(CallByName(admin, kListRuns).error_code(), Code::UNIMPLEMENTED);
}

TEST_F(SecurityTest, ChangingCallsAndRefusalsAreAuditedAndReadsAreNot) {
  StartOpen(files_.Flags());
  const auto submitter = Channel(files_.Client(files_.token("submitter")));
  CallByName(submitter, kListRuns);
  const auto stub = v1::UnlearningService::NewStub(submitter);
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::CancelRunRequest request;
  request.set_name("runs/r0000000a");
  v1::Run run;
  stub->CancelRun(&context, request, &run);
  CallByName(Channel(files_.Client(files_.token("viewer"))), kCancelRun);
  CallByName(Channel(files_.Client("")), kListRuns);
  {
    WorkerStream worker(Channel(files_.Client(files_.token("worker"), true)));
    ASSERT_TRUE(worker.Alive());
    EXPECT_TRUE(worker.Close().ok());
  }
  server_->Shutdown(absl::Seconds(5));
  server_.reset();

  const std::vector<nlohmann::json> lines = AuditLines();
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0]["identity"], "submitter");
  EXPECT_EQ(lines[0]["role"], "submitter");
  EXPECT_EQ(lines[0]["method"], kCancelRun);
  EXPECT_EQ(lines[0]["resource"], "runs/r0000000a");
  EXPECT_EQ(lines[0]["outcome"], "UNIMPLEMENTED");
  EXPECT_THAT(lines[0]["peer"].get<std::string>(), HasSubstr("127.0.0.1"));
  EXPECT_EQ(lines[1]["identity"], "viewer");
  EXPECT_EQ(lines[1]["outcome"], "PERMISSION_DENIED");
  EXPECT_EQ(lines[2]["identity"], "");
  EXPECT_EQ(lines[2]["outcome"], "UNAUTHENTICATED");
  for (const size_t i : {3U, 4U}) {
    EXPECT_EQ(lines[i]["identity"], "worker");
    EXPECT_EQ(lines[i]["certificate"], "CN=worker-7,O=rwku");
    EXPECT_EQ(lines[i]["resource"], "workers/w7");
  }
  EXPECT_EQ(lines[3]["outcome"], "OPEN");
  EXPECT_EQ(lines[4]["outcome"], "OK");
  const std::string log = *ReadFile(files_.Path("audit.log"));
  for (const char* name : {"viewer", "submitter", "worker"}) {
    EXPECT_THAT(log, Not(HasSubstr(files_.token(name).substr(files_.token(name).size() - 64))));
  }
}

TEST_F(SecurityTest, TheAuditLogGoesOnInANewFileAfterRotation) {
  files_.Start(files_.Flags());
  const auto nobody = files_.Channel(files_.Client(""));
  CallByName(nobody, kListRuns);
  fs::rename(files_.Path("audit.log"), files_.Path("audit.log.1"));
  files_.security().Poll();
  CallByName(nobody, kCancelRun);
  EXPECT_THAT(*ReadFile(files_.Path("audit.log.1")), HasSubstr("ListRuns"));
  EXPECT_EQ(AuditLines().size(), 1U);
}

TEST_F(SecurityTest, OnLoopbackTokensAloneWillDo) {
  SecurityFlags flags;
  flags.tokens = files_.Path("tokens.json");
  flags.audit_log = files_.Path("audit.log");
  files_.Start(flags);
  net::ChannelSecurity client;
  EXPECT_EQ(CallByName(files_.Channel(client), kListRuns).error_code(), Code::UNAUTHENTICATED);
  client.token = files_.token("viewer");
  EXPECT_EQ(CallByName(files_.Channel(client), kListRuns).error_code(), Code::UNIMPLEMENTED);
  client.token = files_.token("worker");
  EXPECT_EQ(CallByName(files_.Channel(client), "/rwku.v1.WorkerService/Connect").error_code(),
            Code::UNIMPLEMENTED);
}

TEST_F(SecurityTest, TheHealthPortFollowsReadinessAndServesNothingElse) {
  SecurityFlags flags = files_.Flags();
  flags.health_listen = "127.0.0.1:0";
  files_.Start(flags);
  ASSERT_TRUE(files_.security().StartHealth().ok());
  const auto channel = *net::CreateChannel(files_.security().health_address());
  // HealthCheckResponse: field 1 is 1 (SERVING) or 2 (NOT_SERVING).
  std::string answer;
  EXPECT_TRUE(CallByName(channel, "/grpc.health.v1.Health/Check", &answer).ok());
  EXPECT_EQ(answer, "\x08\x01");
  for (const char* method :
       {kListRuns, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_EQ(CallByName(channel, method).error_code(), Code::UNIMPLEMENTED) << method;
  }
  files_.security().SetServing(false);
  EXPECT_TRUE(CallByName(channel, "/grpc.health.v1.Health/Check", &answer).ok());
  EXPECT_EQ(answer, "\x08\x02");
}

struct Refusal {
  std::string name;
  std::string listen;
  bool insecure;
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::string tokens;
  double rate_limit;
  std::string message;  // empty: it starts
};

TEST_F(SecurityTest, WhatItRefusesToStartWith) {
  const std::string cert = files_.Path("server.pem");
  const std::string key = files_.Path("server.key");
  const std::string ca = files_.Path("ca.pem");
  const std::string tokens = files_.Path("tokens.json");
  WritePrivate(files_.Path("open.key"), *ReadFile(key));
  fs::permissions(files_.Path("open.key"), fs::perms::others_read, fs::perm_options::add);
  WritePrivate(files_.Path("other.key"), files_.authority().Issue("x", {}).key);
  const testing::PemPair old =
      files_.authority().Issue("old", {"DNS:localhost"}, -absl::Minutes(1));
  WritePrivate(files_.Path("old.pem"), old.certificate);
  WritePrivate(files_.Path("old.key"), old.key);
  WritePrivate(files_.Path("text"), "hello");
  for (const auto& [name, from] : {std::pair{"w-ca.pem", ca}, std::pair{"w-tokens", tokens}}) {
    WritePrivate(files_.Path(name), *ReadFile(from));
    fs::permissions(files_.Path(name), fs::perms::others_write, fs::perm_options::add);
  }
  const std::string local = "127.0.0.1:0";
  const std::string all = "0.0.0.0:0";
  const std::vector<Refusal> cases = {
      {"loopback, nothing", local, false, "", "", "", "", 0, ""},
      {"loopback, TLS", local, false, cert, key, "", "", 0, ""},
      {"loopback, tokens", local, false, "", "", "", tokens, 0, ""},
      {"loopback, all", local, false, cert, key, ca, tokens, 5, ""},
      {"everywhere, all", all, false, cert, key, ca, tokens, 0, ""},
      {"everywhere, no client CA", all, false, cert, key, "", tokens, 0, ""},
      {"everywhere, nothing", all, false, "", "", "", "", 0,
       "--listen: refusing to listen on 0.0.0.0:0 without --tls-certificate, --tls-key and "
       "--tokens"},
      {"everywhere, TLS", all, false, cert, key, "", "", 0, "without --tokens"},
      {"everywhere, tokens", all, false, "", "", "", tokens, 0, "--tokens: would cross"},
      {"insecure, tokens", all, true, "", "", "", tokens, 0, "--tokens: would cross"},
      {"insecure, nothing", all, true, "", "", "", "", 0, ""},
      {"insecure, TLS", all, true, cert, key, "", "", 0, ""},
      {"no key", local, false, cert, "", "", "", 0, "--tls-key: missing"},
      {"no certificate", local, false, "", key, "", "", 0, "--tls-certificate: missing"},
      {"client CA alone", local, false, "", "", ca, "", 0, "--tls-client-ca: needs TLS"},
      {"limit alone", local, false, "", "", "", "", 5, "--rate-limit: "},
      {"key for all", local, false, cert, files_.Path("open.key"), "", "", 0, "mode 0604"},
      {"another key", local, false, cert, files_.Path("other.key"), "", "", 0, "is not the key of"},
      {"no key file", local, false, cert, files_.Path("none"), "", "", 0, "--tls-key: cannot"},
      {"no PEM", local, false, files_.Path("text"), key, "", "", 0, "holds no certificate"},
      {"expired", local, false, files_.Path("old.pem"), files_.Path("old.key"), "", "", 0,
       "expired at "},
      {"no CA", local, false, cert, key, files_.Path("text"), "", 0, "--tls-client-ca: "},
      {"CA for all to write", local, false, cert, key, files_.Path("w-ca.pem"), "", 0,
       "--tls-client-ca: " + files_.Path("w-ca.pem") + " has the mode 0602"},
      {"tokens for all to write", local, false, "", "", "", files_.Path("w-tokens"), 0,
       "--tokens: " + files_.Path("w-tokens") + " has the mode 0602"},
      {"no tokens file", local, false, "", "", "", files_.Path("none"), 0, "--tokens: cannot"},
      {"no tokens", local, false, "", "", "", files_.Path("text"), 0, "--tokens: "},
  };
  for (const Refusal& test : cases) {
    SCOPED_TRACE(test.name);
    SecurityFlags flags;
    flags.tls_certificate = test.certificate;
    flags.tls_key = test.key;
    flags.tls_client_ca = test.client_ca;
    flags.tokens = test.tokens;
    flags.rate_limit = test.rate_limit;
    const auto security =
        Security::Create(flags, test.listen, test.insecure, &clock_, absl::ZeroDuration());
    EXPECT_EQ(security.ok(), test.message.empty()) << security.status();
    EXPECT_THAT(std::string(security.status().message()), HasSubstr(test.message));
  }
}

TEST_F(SecurityTest, AThreadPollsByItself) {
  const auto security =
      Security::Create(files_.Flags(), "127.0.0.1:0", false, &clock_, absl::Milliseconds(10));
  ASSERT_TRUE(security.ok());
  fs::remove(files_.Path("audit.log"));
  EXPECT_TRUE(testing::WaitUntil("a new audit log", absl::Seconds(10), [this] {
                return fs::exists(files_.Path("audit.log"));
              }).ok());
}

}  // namespace
}  // namespace rwku::auth
