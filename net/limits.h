// Limits and keepalive of every connection, the same on both sides: a client that pings more often
// than the server allows would be sent away.
#pragma once

#include "absl/time/time.h"

namespace rwku::net {

// One message, either way. A prediction chunk is at most 1 MiB.
inline constexpr int kMaxMessageSize = 4 * 1024 * 1024;

// A silent connection is pinged this often, with or without calls on it ...
inline constexpr absl::Duration kKeepaliveTime = absl::Seconds(5);
// ... and given up if no answer comes within this time. Together they are less than the default
// lease: a worker that is cut off without a word from the network learns it before its heartbeats
// pile up unsent for as long.
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(5);
// The server tolerates pings down to this interval.
inline constexpr absl::Duration kMinPingInterval = absl::Seconds(2);
static_assert(kMinPingInterval < kKeepaliveTime);

// Calls at a time on one connection.
inline constexpr int kMaxConcurrentStreams = 256;

// Time in which a connection must come about: addresses, handshakes, the first frame of the server.
inline constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
// Back-off of a broken connection.
inline constexpr absl::Duration kMinReconnectBackoff = absl::Milliseconds(100);
inline constexpr absl::Duration kMaxReconnectBackoff = absl::Seconds(5);

// Deadline of a unary call whose caller names none.
inline constexpr absl::Duration kDefaultDeadline = absl::Seconds(60);

}  // namespace rwku::net
