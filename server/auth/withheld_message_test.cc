// A caller that is let in with its headers and holds its message back until its token is not good
// any more.
#include <atomic>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "net/channel.h"
#include "net/rpc_observer.h"
#include "server/auth/test_security.h"

namespace rwku::auth {
namespace {

using ::testing::HasSubstr;
using Code = grpc::StatusCode;

// Counts the calls that reach a handler, and answers them.
class CountingService final : public v1::UnlearningService::CallbackService {
 public:
  grpc::ServerUnaryReactor* CancelRun(grpc::CallbackServerContext* context,
                                      const v1::CancelRunRequest* /*request*/,
                                      v1::Run* response) override {
    response->set_name("runs/r0000000a");
    return Answer(context);
  }
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* /*request*/,
                                     v1::ListRunsResponse* response) override {
    response->add_runs()->set_name("runs/r0000000a");
    return Answer(context);
  }
  grpc::ServerWriteReactor<v1::RunEvent>* WatchRun(
      grpc::CallbackServerContext* /*context*/, const v1::WatchRunRequest* /*request*/) override {
    class Reactor final : public grpc::ServerWriteReactor<v1::RunEvent> {
     public:
      Reactor() { StartWriteAndFinish(&event_, {}, grpc::Status::OK); }
      void OnDone() override { delete this; }

     private:
      const v1::RunEvent event_;
    };
    ++handled_;
    return new Reactor;
  }

  int handled() const { return handled_; }

 private:
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context) {
    ++handled_;
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::atomic<int> handled_ = 0;
};

// A call of which only the headers are sent at first.
class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method)
      : stub_(channel) {
    net::SetDeadline(&context_, absl::Seconds(20));
    call_ = stub_.PrepareCall(&context_, method, &queue_);
    call_->StartCall(this);
    EXPECT_TRUE(Next());
  }
  ~RawCall() { queue_.Shutdown(); }
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // Sends an empty message; the number of those that come back, and the end.
  int Send(grpc::Status* status) {
    grpc::Slice empty("", 0);
    call_->WriteLast(grpc::ByteBuffer(&empty, 1), {}, this);
    Next();  // may fail: the call may have been ended by now
    int answers = 0;
    grpc::ByteBuffer answer;
    while (call_->Read(&answer, this), Next()) {
      ++answers;
    }
    call_->Finish(status, this);
    EXPECT_TRUE(Next());
    return answers;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

// The status of every call that the server ended.
class Ends final : public net::RpcObserver {
 public:
  void OnStarted(const std::string& /*method*/) override {}
  void OnEnded(const std::string& method, grpc::StatusCode code,
               absl::Duration /*duration*/) override {
    const absl::MutexLock lock(&mu_);
    codes_[method] = code;
  }
  grpc::StatusCode CodeOf(const std::string& method) const {
    const absl::MutexLock lock(&mu_);
    return codes_.at(method);
  }

 private:
  mutable absl::Mutex mu_;
  std::map<std::string, grpc::StatusCode> codes_ ABSL_GUARDED_BY(mu_);
};

struct Withheld {
  std::string method;
  std::string token;

  friend std::ostream& operator<<(std::ostream& out, const Withheld& withheld) {
    return out << withheld.method;
  }
};

class WithheldMessageTest : public ::testing::TestWithParam<Withheld> {
 protected:
  void SetUp() override {
    auto security =
        Security::Create(files_.Flags(), "127.0.0.1:0", false, &clock_, absl::ZeroDuration());
    ASSERT_TRUE(security.ok()) << security.status();
    security_ = *std::move(security);
    net::ServerOptions options = security_->ServerOptions();
    options.interceptors.push_back(&observed_);
    auto server = net::Server::Start(
        options, {security_->Guarded(&service_, v1::UnlearningService::service_full_name())});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ =
        *net::CreateChannel(server_->address(), files_.Client(files_.token(GetParam().token)));
  }

  // The server has seen the headers of a call once it answered a later one of the same connection.
  void AwaitHeaders() { EXPECT_TRUE(CallByName(channel_, "/grpc.health.v1.Health/Check").ok()); }

  nlohmann::json LastAuditLine() {
    server_->Shutdown(absl::Seconds(5));
    server_.reset();
    const std::vector<std::string> lines =
        absl::StrSplit(*ReadFile(files_.Path("audit.log")), '\n', absl::SkipEmpty());
    return lines.empty() ? nlohmann::json() : nlohmann::json::parse(lines.back());
  }

  TestSecurity files_;
  const RealClock clock_;
  CountingService service_;
  Ends ends_;
  net::RpcObserverFactory observed_{&ends_};
  std::unique_ptr<Security> security_;
  std::unique_ptr<net::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_P(WithheldMessageTest, IsAnsweredWhileTheTokenIsGood) {
  RawCall call(channel_, GetParam().method);
  AwaitHeaders();
  security_->Poll();
  grpc::Status status;
  EXPECT_EQ(call.Send(&status), 1);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(service_.handled(), 1);
}

TEST_P(WithheldMessageTest, ReachesNoHandlerAfterARevocation) {
  RawCall call(channel_, GetParam().method);
  AwaitHeaders();
  files_.ChangeToken(GetParam().token,
                     [](net::TokenRecord& record) { record.revoked = record.created; });
  security_->Poll();
  grpc::Status status;
  EXPECT_EQ(call.Send(&status), 0);
  EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("was revoked"));
  EXPECT_EQ(service_.handled(), 0);

  const nlohmann::json line = LastAuditLine();
  EXPECT_EQ(line["identity"], GetParam().token);
  EXPECT_EQ(line["role"], GetParam().token);
  EXPECT_EQ(line["method"], GetParam().method);
  EXPECT_EQ(line["outcome"], "UNAUTHENTICATED");
  EXPECT_EQ(ends_.CodeOf(GetParam().method), Code::UNAUTHENTICATED);
  // The guard, which had let it in, knows no address.
  EXPECT_THAT(line["peer"].get<std::string>(), HasSubstr("127.0.0.1"));
}

TEST_P(WithheldMessageTest, ReachesNoHandlerAfterAnExpiry) {
  RawCall call(channel_, GetParam().method);
  AwaitHeaders();
  files_.ChangeToken(GetParam().token, [this](net::TokenRecord& record) {
    record.expires = clock_.Now() - absl::Seconds(1);
  });
  security_->Poll();
  grpc::Status status;
  EXPECT_EQ(call.Send(&status), 0);
  EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("expired at"));
  EXPECT_EQ(service_.handled(), 0);
  EXPECT_EQ(LastAuditLine()["identity"], GetParam().token);
}

TEST_P(WithheldMessageTest, ReachesNoHandlerOnceTheRoleIsAnother) {
  RawCall call(channel_, GetParam().method);
  AwaitHeaders();
  files_.ChangeToken(GetParam().token,
                     [](net::TokenRecord& record) { record.role = net::Role::kWorker; });
  security_->Poll();
  grpc::Status status;
  EXPECT_EQ(call.Send(&status), 0);
  EXPECT_EQ(status.error_code(), Code::PERMISSION_DENIED);
  EXPECT_EQ(service_.handled(), 0);
  EXPECT_EQ(LastAuditLine()["role"], "worker");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, WithheldMessageTest,
    ::testing::Values(Withheld{"/rwku.v1.UnlearningService/CancelRun", "submitter"},
                      Withheld{"/rwku.v1.UnlearningService/ListRuns", "viewer"},
                      Withheld{"/rwku.v1.UnlearningService/WatchRun", "viewer"}),
    [](const auto& info) { return info.param.method.substr(info.param.method.rfind('/') + 1); });

}  // namespace
}  // namespace rwku::auth
