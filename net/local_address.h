// Where other machines reach this process.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "net/address.h"

namespace rwku::net {

// The address of this machine on the way to `peer`, numeric and without brackets; sends nothing.
// UNAVAILABLE if `peer` cannot be resolved or there is no way to it.
absl::StatusOr<std::string> LocalAddressTowards(const HostPort& peer);

// A port of `host`, an address of this machine, that nobody listened on a moment ago, and, where
// there is one, that the system by default gives to no outgoing connection: it is likely to be free
// for long.
absl::StatusOr<int> FreePort(const std::string& host);

}  // namespace rwku::net
