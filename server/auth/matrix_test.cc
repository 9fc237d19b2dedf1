// Every method of every service with every kind of caller, over a real TLS server. The services are
// those that the server lists in its reflection, their methods come from the descriptors, and who
// may call them from the verb in their names, not from the table of rules: a method that fits no
// verb fails here.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include "server/auth/rules.h"
#include "server/auth/test_security.h"

namespace rwku::auth {
namespace {

using ::testing::HasSubstr;
using Code = grpc::StatusCode;

constexpr char kHealth[] = "grpc.health.v1.Health";
constexpr char kHealthWatch[] = "/grpc.health.v1.Health/Watch";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

// What a server lists in its reflection.
std::vector<std::string> Services(const std::shared_ptr<grpc::Channel>& channel) {
  // ServerReflectionRequest.list_services = "".
  std::string bytes;
  const grpc::Status status =
      CallByName(channel, kReflection, &bytes, {}, std::string("\x3a\x00", 2));
  EXPECT_TRUE(status.ok()) << status.error_message();
  // No header of the reflection's messages is installed; the library registers them.
  const google::protobuf::Descriptor* const type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
          "grpc.reflection.v1alpha.ServerReflectionResponse");
  if (type == nullptr) {
    ADD_FAILURE() << "the reflection's messages are not linked";
    return {};
  }
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> response(factory.GetPrototype(type)->New());
  EXPECT_TRUE(response->ParseFromString(bytes));
  const auto& list = response->GetReflection()->GetMessage(
      *response, type->FindFieldByName("list_services_response"));
  const auto* const service = list.GetDescriptor()->FindFieldByName("service");
  std::vector<std::string> names;
  for (int i = 0; i < list.GetReflection()->FieldSize(list, service); ++i) {
    const auto& item = list.GetReflection()->GetRepeatedMessage(list, service, i);
    names.push_back(
        item.GetReflection()->GetString(item, item.GetDescriptor()->FindFieldByName("name")));
  }
  return names;
}

std::vector<std::string> MethodsOf(const std::vector<std::string>& services) {
  std::vector<std::string> methods;
  for (const std::string& name : services) {
    const google::protobuf::ServiceDescriptor* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (name == kHealth && service == nullptr) {  // gRPC writes that one by hand
      methods.insert(methods.end(), {absl::StrCat("/", kHealth, "/Check"), kHealthWatch});
      continue;
    }
    if (service == nullptr) {
      ADD_FAILURE() << name << " is served and described nowhere";
      continue;
    }
    for (int m = 0; m < service->method_count(); ++m) {
      methods.push_back(absl::StrCat("/", name, "/", service->method(m)->name()));
    }
  }
  return methods;
}

// Names of all tokens; "": none.
std::set<std::string> Callers() {
  std::set<std::string> callers = {""};
  for (const char* role : {"viewer", "submitter", "admin", "worker"}) {
    callers.insert({role, absl::StrCat("expired-", role), absl::StrCat("revoked-", role)});
  }
  return callers;
}

// Names of the tokens that may call a method, by the verb that it begins with.
std::set<std::string> Allowed(const std::string& method) {
  if (absl::StartsWith(method, absl::StrCat("/", kHealth, "/"))) {
    return Callers();
  }
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
  ADD_FAILURE() << method << " begins with no known verb: say here and in rules.cc who may call it";
  return {};
}

bool LetIn(const grpc::Status& status) {
  return status.ok() || status.error_code() == Code::UNIMPLEMENTED;
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  return method == kHealthWatch ? OpenByName(channel, method) : CallByName(channel, method);
}

class MatrixTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SecurityFlags flags = security_.Flags();
    flags.rate_limit = 1e6;  // this is about something else
    security_.Start(flags);
    methods_ = MethodsOf(Services(security_.Channel(security_.Client(security_.token("viewer")))));
  }

  TestSecurity security_;
  std::vector<std::string> methods_;  // of the running server
};

TEST_F(MatrixTest, EveryMethodWithEveryCaller) {
  for (const std::string& name : Callers()) {
    const auto channel = security_.Channel(
        security_.Client(name.empty() ? "" : security_.token(name), /*certificate=*/true));
    const bool ended = absl::StrContains(name, "-");
    for (const std::string& method : methods_) {
      SCOPED_TRACE(absl::StrCat(method, " by ", name.empty() ? "nobody" : name));
      const grpc::Status status = Call(channel, method);
      if (Allowed(method).count(name) > 0) {
        EXPECT_TRUE(LetIn(status)) << status.error_message();
      } else if (name.empty() || ended) {
        EXPECT_EQ(status.error_code(), Code::UNAUTHENTICATED) << status.error_message();
        EXPECT_THAT(status.error_message(), HasSubstr(name.empty() ? "--token-file" : name));
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
    // The server is there, before and after, for who differs in nothing but the authority.
    net::ChannelSecurity good = security;
    good.tls_ca = security_.Path("ca.pem");
    if (!good.tls_certificate.empty()) {
      good.tls_certificate = security_.Path("worker.pem");
      good.tls_key = security_.Path("worker.key");
    }
    for (const std::string& method : methods_) {
      SCOPED_TRACE(method);
      EXPECT_NE(Call(security_.Channel(good), method).error_code(), Code::UNAVAILABLE);
      EXPECT_EQ(Call(channel, method).error_code(), Code::UNAVAILABLE);
      EXPECT_NE(Call(security_.Channel(good), method).error_code(), Code::UNAVAILABLE);
    }
  }
}

TEST_F(MatrixTest, NobodyGetsInWhoSpeaksNoTls) {
  EXPECT_EQ(CallByName(security_.Channel({}), methods_.front()).error_code(), Code::UNAVAILABLE);
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

class RulesTest : public MatrixTest {};

TEST_F(RulesTest, EveryMethodHasARuleAndEveryRuleAMethod) {
  const std::set<std::string> methods(methods_.begin(), methods_.end());
  EXPECT_EQ(methods.count("/rwku.v1.WorkerService/Connect"), 1U);
  std::set<std::string> rules;
  for (const Rule& rule : Rules()) {
    EXPECT_TRUE(rules.emplace(rule.method).second) << rule.method << " has two rules";
  }
  EXPECT_EQ(rules, methods);
}

}  // namespace
}  // namespace rwku::auth
