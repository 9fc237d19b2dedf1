// Channels to a coordinator with our limits, and deadlines on calls.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "net/limits.h"
#include "net/security/channel_credentials.h"

namespace rwku::net {

// A channel to `address` ("host:port"); connects on first use and again after a break.
// INVALID_ARGUMENT that names --server for a malformed address or port 0; errors of
// MakeChannelCredentials.
absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(absl::string_view address,
                                                             const ChannelSecurity& security = {});

// Every call gets a deadline; a stream that lasts as long as its process gets none and relies on
// keepalive.
void SetDeadline(grpc::ClientContext* context, absl::Duration timeout = kDefaultDeadline);

}  // namespace rwku::net
