// The mark of an error after which the device answers nothing more to this process, whatever it is
// asked: only another process can use it again.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rwku::engine {

inline constexpr char kDeviceLostUrl[] = "rwku/device-lost";

// UNAVAILABLE with the mark.
inline absl::Status DeviceLostError(absl::string_view message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kDeviceLostUrl, absl::Cord());
  return status;
}

inline bool IsDeviceLost(const absl::Status& status) {
  return status.GetPayload(kDeviceLostUrl).has_value();
}

}  // namespace rwku::engine
