#include "net/local_address.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::net {
namespace {

TEST(LocalAddressTest, IsLoopbackTowardsLoopback) {
  EXPECT_EQ(*LocalAddressTowards({.host = "127.0.0.1", .port = 7450}), "127.0.0.1");
  EXPECT_EQ(*LocalAddressTowards({.host = "localhost", .port = 7450}),
            *LocalAddressTowards({.host = "localhost", .port = 1}));
}

TEST(LocalAddressTest, SaysWhatCannotBeResolved) {
  const auto address = LocalAddressTowards({.host = "no.such.host.invalid", .port = 1});
  EXPECT_TRUE(absl::IsUnavailable(address.status()));
  EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr("no.such.host.invalid"));
}

TEST(LocalAddressTest, FreePortsAreOfThisMachineAlone) {
  const auto port = FreePort("127.0.0.1");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_GT(*port, 0);
  EXPECT_TRUE(absl::IsUnavailable(FreePort("192.0.2.1").status()));
}

}  // namespace
}  // namespace rwku::net
