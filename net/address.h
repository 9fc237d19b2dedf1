// Addresses as flags give them: "127.0.0.1:7450", "[::1]:7450", "localhost:0".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::net {

struct HostPort {
  std::string host;  // without brackets
  int port = 0;      // 0..65535; 0 = any free port, to listen on only
};

// INVALID_ARGUMENT that names the text and what is expected.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// "host:port", with brackets around IPv6 addresses.
std::string FormatHostPort(const HostPort& address);

// Whether only this machine can reach `host`: 127.0.0.0/8, ::1 or "localhost".
bool IsLoopback(absl::string_view host);

}  // namespace rwku::net
