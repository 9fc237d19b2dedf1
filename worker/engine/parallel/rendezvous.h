// Where ranks meet: the host:port of rank 0, and whether somebody listens there.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rwku::engine {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};

// "host:port" or "[v6]:port". INVALID_ARGUMENT says what was found.
absl::StatusOr<HostPort> ParseRendezvous(absl::string_view rendezvous);

// Whether a TCP connection comes about within `limit`. Blocks; resolves the name too.
bool AcceptsConnections(const HostPort& address, absl::Duration limit);

// This machine's address on the way to `address`, in digits. UNAVAILABLE where the name does not
// resolve or no way leads there.
absl::StatusOr<std::string> LocalAddressTowards(const HostPort& address);

}  // namespace rwku::engine
