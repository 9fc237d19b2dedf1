#include "net/metrics/http_listener.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/testing/http_get.h"

namespace rwku::net {
namespace {

using ::rwku::testing::HttpGet;
using ::rwku::testing::HttpSend;
using ::testing::HasSubstr;

HttpAnswer Echo(absl::string_view path) { return {.body = std::string(path)}; }

TEST(HttpListenerTest, ThePathComesWithoutItsQuery) {
  const auto listener = HttpListener::Start("127.0.0.1:0", Echo);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto answer = HttpGet((*listener)->port(), "/metrics?name=x");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  EXPECT_EQ(answer->body, "/metrics");
  EXPECT_THAT(answer->head, HasSubstr("Content-Length: 8"));
}

TEST(HttpListenerTest, OtherMethodsAreRefused) {
  const auto listener = HttpListener::Start("127.0.0.1:0", Echo);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto answer = HttpSend((*listener)->port(), "POST / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 405);
}

TEST(HttpListenerTest, WhatIsNoRequestGetsNoAnswer) {
  const auto listener = HttpListener::Start("127.0.0.1:0", Echo);
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (const std::string& request :
       {std::string("\r\n\r\n"), std::string("GET /\r\n\r\n"), std::string("GET  / / /\r\n\r\n"),
        std::string("\x16\x03\x01\r\n\r\n"), std::string(20000, 'a')}) {
    EXPECT_FALSE(HttpSend((*listener)->port(), request).ok()) << request.substr(0, 40);
  }
  EXPECT_TRUE(HttpGet((*listener)->port(), "/").ok());
}

TEST(HttpListenerTest, SlowHandlersDoNotHoldUpOthers) {
  absl::Notification go;
  const auto listener = HttpListener::Start("127.0.0.1:0", [&go](absl::string_view path) {
    if (path == "/slow") {
      go.WaitForNotification();
    }
    return HttpAnswer{.body = std::string(path)};
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int port = (*listener)->port();
  std::thread slow([port] { EXPECT_TRUE(HttpGet(port, "/slow").ok()); });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(HttpGet(port, "/fast").ok());
  }
  go.Notify();
  slow.join();
}

// Takes an answer that is larger than all buffers, or sends its request, bit by bit, and never
// ends.
class SlowClient {
 public:
  SlowClient(int port, bool reads) : socket_(Connect(port)) {
    thread_ = std::thread([this, reads] {
      std::vector<char> bytes(1 << 12, 'a');
      const std::string request = "GET /large HTTP/1.1\r\n\r\n";
      if (reads) {
        send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
      }
      while (!stop_.WaitForNotificationWithTimeout(absl::Milliseconds(20))) {
        if (reads) {
          recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        } else {
          send(socket_, bytes.data(), 1, MSG_NOSIGNAL);
        }
      }
    });
  }
  ~SlowClient() {
    stop_.Notify();
    thread_.join();
    close(socket_);
  }
  SlowClient(const SlowClient&) = delete;
  SlowClient& operator=(const SlowClient&) = delete;

 private:
  static int Connect(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  const int socket_;
  absl::Notification stop_;
  std::thread thread_;
};

TEST(HttpListenerTest, SlowClientsKeepNobodyFromItForLong) {
  const RealClock clock;
  const auto listener = HttpListener::Start(
      "127.0.0.1:0",
      [](absl::string_view path) {
        return HttpAnswer{.body = path == "/large" ? std::string(16 << 20, 'x') : "ok\n"};
      },
      /*patience=*/absl::Milliseconds(500));
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int port = (*listener)->port();
  for (const bool reads : {true, false}) {
    std::vector<std::unique_ptr<SlowClient>> clients;
    for (int i = 0; i < 4; ++i) {  // one for each thread
      clients.push_back(std::make_unique<SlowClient>(port, reads));
    }
    const absl::Duration start = clock.Monotonic();
    EXPECT_TRUE(HttpGet(port, "/healthz").ok());
    EXPECT_LT(clock.Monotonic() - start, absl::Seconds(20)) << reads;
  }
}

TEST(HttpListenerTest, ASlowHandlerTakesNoTimeOfTheClients) {
  const RealClock clock;
  const auto listener = HttpListener::Start(
      "127.0.0.1:0",
      [&clock](absl::string_view) {
        const absl::Duration start = clock.Monotonic();
        while (clock.Monotonic() - start < absl::Milliseconds(300)) {
        }
        return HttpAnswer{.body = "ok\n"};
      },
      /*patience=*/absl::Milliseconds(250));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(HttpGet((*listener)->port(), "/").ok());
}

TEST(HttpListenerTest, StopsAtOnce) {
  const RealClock clock;
  auto listener = HttpListener::Start("127.0.0.1:0", Echo);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(HttpGet((*listener)->port(), "/").ok());
  const absl::Duration start = clock.Monotonic();
  listener->reset();
  EXPECT_LT(clock.Monotonic() - start, absl::Seconds(1));
}

TEST(HttpListenerTest, APortInUseIsSaid) {
  const auto first = HttpListener::Start("127.0.0.1:0", Echo);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = HttpListener::Start(absl::StrCat("127.0.0.1:", (*first)->port()), Echo);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("Address already in use"));
  EXPECT_EQ(HttpListener::Start("nowhere", Echo).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(HttpListenerTest, NamesAndIpv6AddressesCanBeListenedOn) {
  for (const char* listen : {"localhost:0", "[::1]:0", "[::]:0", "0.0.0.0:0"}) {
    const auto listener = HttpListener::Start(listen, Echo);
    EXPECT_TRUE(listener.ok()) << listen << ": " << listener.status();
  }
}

}  // namespace
}  // namespace rwku::net
