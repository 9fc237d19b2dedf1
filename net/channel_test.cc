#include "net/channel.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include <grpc/support/time.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rwku::net {
namespace {

// Accepts one connection and says the first words of HTTP/2 only after a while.
class SlowServer {
 public:
  SlowServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~SlowServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(connection_);
    close(listener_);
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  void Serve() {
    connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    // The fault itself, not a wait for something: a busy machine, or a far one.
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    constexpr unsigned char kEmptySettings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    EXPECT_EQ(send(connection_, kEmptySettings, sizeof(kEmptySettings), MSG_NOSIGNAL), 9);
  }

  const int listener_;
  int connection_ = -1;
  int port_ = 0;
  std::thread thread_;
};

TEST(ChannelTest, WaitsForAServerThatIsSlowToAnswer) {
  SlowServer server;
  const auto channel = CreateChannel(server.address());
  ASSERT_TRUE(channel.ok()) << channel.status();
  // Nobody answers a second attempt: the first must have had the time.
  EXPECT_TRUE((*channel)->WaitForConnected(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(20, GPR_TIMESPAN))));
}

TEST(ChannelTest, PortZeroIsRefused) {
  EXPECT_EQ(CreateChannel("127.0.0.1:0").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwku::net
