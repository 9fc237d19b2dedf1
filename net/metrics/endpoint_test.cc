#include "net/metrics/endpoint.h"

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "net/metrics/process_metrics.h"
#include "tests/testing/http_get.h"

namespace rwku::net {
namespace {

using ::rwku::testing::HttpGet;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Body(const MetricsEndpoint& endpoint, const std::string& path) {
  const auto answer = HttpGet(endpoint.port(), path);
  return answer.ok() ? absl::StrCat(answer->code, " ", answer->body) : answer.status().ToString();
}

TEST(MetricsEndpointTest, MetricsShowWhatWasAddedAndNotWhatWasRemoved) {
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", nullptr);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  prometheus::Registry registry;
  prometheus::BuildCounter()
      .Name("rwku_test_total")
      .Help("A test.")
      .Register(registry)
      .Add({{"kind", "a"}})
      .Increment(3);
  (*endpoint)->Add(&registry);
  const auto answer = HttpGet((*endpoint)->port(), "/metrics");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  EXPECT_THAT(answer->head, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer->body, HasSubstr("# TYPE rwku_test_total counter\n"));
  EXPECT_THAT(answer->body, HasSubstr("rwku_test_total{kind=\"a\"} 3\n"));
  (*endpoint)->Remove(&registry);
  EXPECT_EQ(Body(**endpoint, "/metrics"), "200 ");
}

TEST(MetricsEndpointTest, HealthSaysWhetherTheDaemonIsAlive) {
  std::atomic<bool> stuck = false;
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", [&stuck] {
    return stuck ? absl::InternalError("the agent's thread hangs") : absl::OkStatus();
  });
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(Body(**endpoint, "/healthz"), "200 ok\n");
  stuck = true;
  EXPECT_EQ(Body(**endpoint, "/healthz"), "503 the agent's thread hangs\n");
}

TEST(MetricsEndpointTest, ReadyOnlyWhileItWasSaidSo) {
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", nullptr);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(Body(**endpoint, "/readyz"), "503 not serving: starting or stopping\n");
  (*endpoint)->SetReady([] { return absl::OkStatus(); });
  EXPECT_EQ(Body(**endpoint, "/readyz"), "200 ok\n");
  (*endpoint)->SetReady([] { return absl::ResourceExhaustedError("the disk is full"); });
  EXPECT_EQ(Body(**endpoint, "/readyz"), "503 the disk is full\n");
  (*endpoint)->SetReady(nullptr);
  EXPECT_THAT(Body(**endpoint, "/readyz"), HasSubstr("503"));
}

TEST(MetricsEndpointTest, OtherPathsAreNotFound) {
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", nullptr);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (const char* path : {"/", "/metrics/more", "/etc/passwd", "/healthzz", "/../etc/passwd"}) {
    const auto answer = HttpGet((*endpoint)->port(), path);
    ASSERT_TRUE(answer.ok()) << path << ": " << answer.status();
    EXPECT_EQ(answer->code, 404) << path;
  }
}

TEST(ProcessMetricsTest, TellsWhatEveryProcessHas) {
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", nullptr);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const ProcessMetrics process;
  (*endpoint)->Add(&process);
  const std::string body = Body(**endpoint, "/metrics");
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
        "process_max_fds", "process_start_time_seconds", "process_virtual_memory_bytes"}) {
    EXPECT_THAT(body, HasSubstr(absl::StrCat("\n", name, " ")));
  }
  EXPECT_THAT(body, Not(HasSubstr("process_resident_memory_bytes 0\n")));
}

}  // namespace
}  // namespace rwku::net
