#include "net/metrics/http_listener.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
