// Versions that both ends of the wire compare or show.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rwku::net {

// Version of the stream between workers and the coordinator; both sides must have the same. Grows
// by every change that an older side would misunderstand.
inline constexpr uint32_t kProtocolVersion = 1;

// Version of this binary, e.g. "0.1.0".
absl::string_view BinaryVersion();

// Initial metadata with which the server begins a stream that may be silent for long, before the
// first message: its BinaryVersion(). Tells a reader that the server is there.
inline constexpr char kServerVersionKey[] = "rwku-server-version";

}  // namespace rwku::net
