// Every method of every service with every kind of caller, over a real TLS server. The methods come
// from the descriptors and from the server's own reflection, and who may call them from the verb in
// their names, not from the table of rules: a method that fits no verb fails here.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "server/auth/rules.h"
#include "server/auth/test_security.h"

namespace rwku::auth {
namespace {

using ::testing::HasSubstr;
using Code = grpc::StatusCode;

std::vector<std::string> Methods() {
  std::vector<std::string> methods = {
      "/grpc.health.v1.Health/Check",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
  for (const google::protobuf::FileDescriptor* file :
       {v1::CreateRunRequest::descriptor()->file(), v1::WorkerMessage::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        methods.push_back(absl::StrCat("/", service->full_name(), "/", service->method(m)->name()));
      }
    }
  }
  return methods;
}

// Names of the tokens that may call a method, by the verb that it begins with.
std::set<std::string> Allowed(const std::string& method) {
  const std::string name = method.substr(method.rfind('/') + 1);
  const auto begins = [&name](const std::vector<std::string>& verbs) {
    return std::any_of(verbs.begin(), verbs.end(),
                       [&name](const std::string& verb) { return absl::StartsWith(name, verb); });
  };
  if (begins({"Get", "List", "Watch", "Compare", "Stream", "ServerReflection"})) {
    return {"viewer", "submitter", "admin"};
  }
  if (begins({"Create", "Cancel", "Delete", "Retry", "Rescore"})) {
    return {"submitter", "admin"};
  }
  if (begins({"Drain"})) {
    return {"admin"};
  }
  if (begins({"Connect"})) {
    return {"worker"};
  }
  if (begins({"Check"})) {
    return {"", "viewer", "submitter", "admin", "worker", "expired", "revoked"};
  }
  ADD_FAILURE() << method << " begins with no known verb: say here and in rules.cc who may call it";
  return {};
}

bool LetIn(const grpc::Status& status) {
  return status.ok() || status.error_code() == Code::UNIMPLEMENTED;
}

class MatrixTest : public ::testing::Test {
 protected:
  void SetUp() override { security_.Start(security_.Flags()); }

  TestSecurity security_;
};

TEST_F(MatrixTest, EveryMethodWithEveryCaller) {
  for (const char* caller : {"", "viewer", "submitter", "admin", "worker", "expired", "revoked"}) {
    const std::string name = caller;
    const auto channel = security_.Channel(
        security_.Client(name.empty() ? "" : security_.token(name), /*certificate=*/true));
    for (const std::string& method : Methods()) {
      SCOPED_TRACE(absl::StrCat(method, " by ", name.empty() ? "nobody" : name));
      const grpc::Status status = CallByName(channel, method);
      if (Allowed(method).count(name) > 0) {
        EXPECT_TRUE(LetIn(status)) << status.error_message();
      } else if (name.empty() || name == "expired" || name == "revoked") {
        EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED) << status.error_message();
        EXPECT_THAT(status.error_message(), HasSubstr(name.empty() ? "--token-file" : name))
            << method;
      } else {
        EXPECT_EQ(status.error_code(), Code::PERMISSION_DENIED) << status.error_message();
        EXPECT_THAT(status.error_message(), HasSubstr("needs the role "));
        EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("has the role ", name)));
      }
    }
  }
}

TEST_F(MatrixTest, NobodyGetsInWhoseAuthorityIsAnother) {
  const testing::CertificateAuthority other("another authority");
  const testing::PemPair pair = other.Issue("worker-7", {"DNS:localhost"});
  WritePrivate(security_.Path("other.pem"), pair.certificate);
  WritePrivate(security_.Path("other.key"), pair.key);
  WritePrivate(security_.Path("other-ca.pem"), other.certificate());
  net::ChannelSecurity client = security_.Client(security_.token("worker"));
  client.tls_certificate = security_.Path("other.pem");
  client.tls_key = security_.Path("other.key");
  net::ChannelSecurity suspicious = security_.Client(security_.token("admin"));
  suspicious.tls_ca = security_.Path("other-ca.pem");
  for (const net::ChannelSecurity& security : {client, suspicious}) {
    const auto channel = security_.Channel(security);
    for (const std::string& method : Methods()) {
      EXPECT_EQ(CallByName(channel, method).error_code(), Code::UNAVAILABLE) << method;
    }
  }
}

TEST_F(MatrixTest, NobodyGetsInWhoSpeaksNoTls) {
  EXPECT_EQ(CallByName(security_.Channel({}), Methods().front()).error_code(), Code::UNAVAILABLE);
}

TEST_F(MatrixTest, AWorkersTokenAloneIsNotEnough) {
  const auto channel = security_.Channel(security_.Client(security_.token("worker")));
  const grpc::Status status = CallByName(channel, "/rwku.v1.WorkerService/Connect");
  EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("--tls-client-ca"));
}

TEST_F(MatrixTest, AClientNeedsNoCertificate) {
  const auto channel = security_.Channel(security_.Client(security_.token("viewer")));
  EXPECT_TRUE(LetIn(CallByName(channel, "/rwku.v1.UnlearningService/ListRuns")));
}

TEST_F(MatrixTest, AWrongSecretOfAKnownTokenSaysNothingAboutIt) {
  const auto channel = security_.Channel(security_.Client(net::NewToken("admin")));
  const grpc::Status status = CallByName(channel, "/rwku.v1.UnlearningService/ListRuns");
  EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), ::testing::Not(HasSubstr("admin")));
}

TEST_F(MatrixTest, AMethodWithoutARuleIsDeniedToEverybody) {
  const auto admin = security_.Channel(security_.Client(security_.token("admin")));
  EXPECT_EQ(CallByName(admin, "/rwku.v1.UnlearningService/FormatDisk").error_code(),
            Code::PERMISSION_DENIED);
  const auto nobody = security_.Channel(security_.Client(""));
  EXPECT_EQ(CallByName(nobody, "/rwku.v1.UnlearningService/FormatDisk").error_code(),
            Code::UNAUTHENTICATED);
}

TEST(RulesTest, EveryMethodHasARuleAndEveryRuleAMethod) {
  std::set<std::string> methods;
  for (const std::string& method : Methods()) {
    methods.insert(method);
  }
  methods.insert("/grpc.health.v1.Health/Watch");
  std::set<std::string> rules;
  for (const Rule& rule : Rules()) {
    EXPECT_TRUE(rules.emplace(rule.method).second) << rule.method << " has two rules";
  }
  EXPECT_EQ(rules, methods);
}

}  // namespace
}  // namespace rwku::auth
