#include "net/server.h"

#include "absl/strings/str_cat.h"
#include "rwku/v1/unlearning.grpc.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/channel.h"

namespace rwku::net {
namespace {

TEST(ServerTest, PortZeroIsReplacedByTheBoundPort) {
  v1::UnlearningService::Service service;
  const auto server = Server::Start({}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  EXPECT_EQ((*server)->address(), absl::StrCat("127.0.0.1:", (*server)->port()));
  const auto channel = CreateChannel((*server)->address());
  ASSERT_TRUE(channel.ok());
  const auto stub = v1::UnlearningService::NewStub(*channel);
  grpc::ClientContext context;
  SetDeadline(&context, absl::Seconds(30));
  v1::Run run;
  EXPECT_EQ(stub->GetRun(&context, {}, &run).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(ServerTest, PortInUseIsSaid) {
  v1::UnlearningService::Service service;
  const auto first = Server::Start({}, {&service});
  ASSERT_TRUE(first.ok());
  v1::UnlearningService::Service other;
  const auto second = Server::Start({.listen = (*first)->address()}, {&other});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("the port is in use"));
}

TEST(ServerTest, AddressBeyondLoopbackNeedsTheFlag) {
  v1::UnlearningService::Service service;
  const auto refused = Server::Start({.listen = "0.0.0.0:0"}, {&service});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("--insecure-listen"));
  v1::UnlearningService::Service allowed;
  EXPECT_TRUE(Server::Start({.listen = "0.0.0.0:0", .insecure_listen = true}, {&allowed}).ok());
}

}  // namespace
}  // namespace rwku::net
