// Channels to a coordinator with our limits, and deadlines on calls.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "net/limits.h"

namespace rwku::net {

// A channel to `address` ("host:port"); connects on first use and again after a break. Not
// encrypted in this version. INVALID_ARGUMENT for a malformed address or port 0.
absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(absl::string_view address);

// Every call gets a deadline; a stream that lasts as long as its process gets none and relies on
// keepalive.
void SetDeadline(grpc::ClientContext* context, absl::Duration timeout = kDefaultDeadline);

}  // namespace rwku::net
