// Ports for servers that tests stop and start again at the same address.
#pragma once

#include "absl/status/statusor.h"

namespace rwku::testing {

// A port of 127.0.0.1 that nobody listens on and that the system gives to no outgoing connection:
// a server that ends finds it free again, though clients knock at it meanwhile. UNAVAILABLE where
// every port from 20000 to 29999 is taken.
absl::StatusOr<int> FreePort();

}  // namespace rwku::testing
