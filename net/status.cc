#include "net/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace rwku::net {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/rwku.v1.ErrorDetails";

// `text` without what lies beyond `limit` bytes, cut before a UTF-8 character, never inside one.
std::string Truncated(absl::string_view text, size_t limit) {
  if (text.size() <= limit) {
    return std::string(text);
  }
  constexpr absl::string_view kEllipsis = "...";
  size_t end = limit - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return absl::StrCat(text.substr(0, end), kEllipsis);
}

std::string BoundedDetails(const v1::ErrorDetails& details) {
  v1::ErrorDetails bounded;
  for (int i = 0; i < details.violations_size(); ++i) {
    *bounded.add_violations() = details.violations(i);
    if (bounded.ByteSizeLong() > kMaxDetailsBytes) {
      bounded.mutable_violations()->RemoveLast();
      v1::FieldViolation* rest = bounded.add_violations();
      rest->set_description(
          absl::StrCat("and ", details.violations_size() - i, " more violations"));
      break;
    }
  }
  return bounded.SerializeAsString();
}

}  // namespace

absl::Status InvalidFields(const std::vector<FieldError>& errors) {
  v1::ErrorDetails details;
  std::string message;
  for (const FieldError& error : errors) {
    v1::FieldViolation* violation = details.add_violations();
    violation->set_field(error.field);
    violation->set_description(error.description);
    absl::StrAppend(&message, message.empty() ? "" : "; ", error.field, ": ", error.description);
  }
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kPayloadUrl, absl::Cord(details.SerializeAsString()));
  return status;
}

v1::ErrorDetails DetailsOf(const absl::Status& status) {
  v1::ErrorDetails details;
  if (const auto payload = status.GetPayload(kPayloadUrl); payload.has_value()) {
    // Details only help people: unreadable ones are the same as none.
    if (!details.ParseFromString(std::string(*payload))) {
      details.Clear();
    }
  }
  return details;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  // Both enumerations number the canonical codes alike.
  return {static_cast<grpc::StatusCode>(status.raw_code()),
          Truncated(status.message(), kMaxMessageBytes)};
}

grpc::Status ToGrpcStatus(const absl::Status& status, grpc::ServerContextBase* context) {
  if (!status.ok()) {
    const v1::ErrorDetails details = DetailsOf(status);
    if (details.violations_size() > 0) {
      context->AddTrailingMetadata(kErrorTrailer, BoundedDetails(details));
    }
  }
  return ToGrpcStatus(status);
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

absl::Status FromGrpcStatus(const grpc::Status& status, const grpc::ClientContext& context) {
  absl::Status result = FromGrpcStatus(status);
  if (result.ok()) {
    return result;
  }
  const auto& trailers = context.GetServerTrailingMetadata();
  if (const auto found = trailers.find(kErrorTrailer); found != trailers.end()) {
    result.SetPayload(kPayloadUrl,
                      absl::Cord(absl::string_view(found->second.data(), found->second.size())));
  }
  return result;
}

}  // namespace rwku::net
