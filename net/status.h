// absl::Status on our side, grpc::Status on the wire: one mapping each way. Field violations travel
// as a payload of the absl::Status here and as the binary trailer "rwku-error-bin" there.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/errors.pb.h"
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

namespace rwku::net {

inline constexpr char kErrorTrailer[] = "rwku-error-bin";

// Messages longer than this are cut off at a character, so that trailers fit into gRPC's 8 KiB.
inline constexpr size_t kMaxMessageBytes = 1024;
// Serialized violations beyond this are left out and counted in a last one.
inline constexpr size_t kMaxDetailsBytes = 2048;

// What is wrong with one field of a request.
struct FieldError {
  std::string field;        // "spec.recipes[1].learning_rate"
  std::string description;  // what was found and what is allowed
};

// INVALID_ARGUMENT whose message names every field, with the violations attached. `errors` is not
// empty.
absl::Status InvalidFields(const std::vector<FieldError>& errors);

// Violations attached to a status; none for most.
v1::ErrorDetails DetailsOf(const absl::Status& status);

// Code and message alone.
grpc::Status ToGrpcStatus(const absl::Status& status);
// Also puts attached violations into the trailers of `context`. Call before the call finishes.
grpc::Status ToGrpcStatus(const absl::Status& status, grpc::ServerContextBase* context);

// Code and message alone.
absl::Status FromGrpcStatus(const grpc::Status& status);
// Also attaches the violations that the server sent. Call after the call finished.
absl::Status FromGrpcStatus(const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace rwku::net
