#include "net/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku::net {
namespace {

TEST(AddressTest, HostAndPortAreParsed) {
  const auto address = ParseHostPort("127.0.0.1:7450");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->port, 7450);
}

TEST(AddressTest, BracketsAroundIpV6AreTakenOffAndPutBack) {
  const auto address = ParseHostPort("[::1]:1");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(FormatHostPort(*address), "[::1]:1");
}

struct BadCase {
  const char* name;
  const char* text;
  const char* message;
};

class BadAddressTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadAddressTest, IsRefusedWithAReason) {
  const auto address = ParseHostPort(GetParam().text);
  ASSERT_FALSE(address.ok());
  EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, BadAddressTest,
                         testing::Values(BadCase{"NoPort", "localhost", "has no port"},
                                         BadCase{"NoHost", ":80", "has no host"},
                                         BadCase{"BigPort", "a:65536", "no number from 0 to 65535"},
                                         BadCase{"EmptyPort", "a:", "no number from 0 to 65535"},
                                         BadCase{"SignedPort", "a:+1", "no number from 0 to 65535"},
                                         BadCase{"OpenBracket", "[::1:80", "unclosed '['"},
                                         BadCase{"BareIpV6", "::1:80", "without brackets"}),
                         [](const auto& info) { return info.param.name; });

TEST(AddressTest, LoopbackIsTold) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "10.0.0.1", "::", "example.com", "128.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace rwku::net
