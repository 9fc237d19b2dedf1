#include "benchmark/evaluate/request_error.h"

#include <cstdint>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rwku::evaluate {
namespace {

constexpr absl::string_view kPayload = "rwku.evaluate/request";

}  // namespace

absl::Status RequestError(size_t index, const absl::Status& status) {
  absl::Status error = status;
  error.SetPayload(kPayload, absl::Cord(absl::StrCat(index)));
  return error;
}

std::optional<size_t> RequestOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  uint64_t index = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &index)) {
    return std::nullopt;
  }
  return static_cast<size_t>(index);
}

absl::Status AfterRequests(size_t before, const absl::Status& status) {
  const std::optional<size_t> request = RequestOf(status);
  return request.has_value() ? RequestError(before + *request, status) : status;
}

}  // namespace rwku::evaluate
