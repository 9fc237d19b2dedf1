#include "worker/engine/torch_status.h"

#include <new>
#include <stdexcept>
#include <string>

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/device_lost.h"

namespace rwku::engine {
namespace {

using testing::HasSubstr;

constexpr c10::SourceLocation kHere{"function", "file", 1};

template <typename Error>
absl::Status StatusOfThrown(const Error& error) {
  return CatchTorch([&] { throw Error(error); });
}

struct AcceleratorCase {
  int32_t code;  // of CUDA's runtime
  const char* message;
  absl::StatusCode expected;
  bool is_lost;
};

TEST(TorchStatusTest, ErrorsOfAnAccelerator) {
  const AcceleratorCase cases[] = {
      {700, "CUDA error: an illegal memory access was encountered\nmore",
       absl::StatusCode::kUnavailable, true},
      {719, "CUDA error: unspecified launch failure", absl::StatusCode::kUnavailable, true},
      {710, "CUDA error: device-side assert triggered", absl::StatusCode::kUnavailable, true},
      {214, "CUDA error: uncorrectable ECC error encountered", absl::StatusCode::kUnavailable,
       true},
      {999, "CUDA error: unknown error", absl::StatusCode::kUnavailable, true},
      {2, "CUDA error: out of memory", absl::StatusCode::kResourceExhausted, false},
      {1, "CUDA error: invalid argument", absl::StatusCode::kInternal, false},
      {209, "CUDA error: no kernel image is available", absl::StatusCode::kInternal, false},
  };
  for (const AcceleratorCase& test : cases) {
    const absl::Status status =
        StatusOfThrown(c10::AcceleratorError(kHere, test.code, test.message));
    EXPECT_EQ(status.code(), test.expected) << test.message;
    EXPECT_EQ(IsDeviceLost(status), test.is_lost) << test.message;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("CUDA error")) << status;
  }
}

TEST(TorchStatusTest, ALostDeviceIsKnownByItsTextWhereNoNumberCame) {
  const absl::Status plain =
      StatusOfThrown(c10::Error(kHere, "CUDA error: an illegal memory access was encountered"));
  EXPECT_TRUE(IsDeviceLost(plain)) << plain;
  const absl::Status rank =
      StatusOfThrown(c10::DistBackendError(kHere, "NCCL error: unspecified launch failure"));
  EXPECT_TRUE(IsDeviceLost(rank)) << rank;
  const absl::Status other = StatusOfThrown(std::runtime_error("device-side assert triggered"));
  EXPECT_TRUE(IsDeviceLost(other)) << other;
}

TEST(TorchStatusTest, OtherErrorsAreNotOfTheDevice) {
  const absl::Status memory = StatusOfThrown(c10::OutOfMemoryError(kHere, "CUDA out of memory."));
  EXPECT_EQ(memory.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(IsDeviceLost(memory));
  const absl::Status rank = StatusOfThrown(c10::DistNetworkError(kHere, "connection closed"));
  EXPECT_EQ(rank.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(IsDeviceLost(rank));
  const absl::Status shape = StatusOfThrown(c10::Error(kHere, "sizes do not match"));
  EXPECT_EQ(shape.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOfThrown(std::bad_alloc()).code(), absl::StatusCode::kResourceExhausted);
}

TEST(TorchStatusTest, AStatusComesBackAsItWas) {
  absl::Status status = absl::CancelledError("enough");
  status.SetPayload("some/thing", absl::Cord("x"));
  EXPECT_EQ(StatusOfThrown(StatusError(status)), status);
}

}  // namespace
}  // namespace rwku::engine
