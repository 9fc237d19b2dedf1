// One HTTP request over a plain socket, for tests of the daemons' metrics port.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::testing {

struct HttpAnswer {
  int code = 0;
  std::string head;  // everything before the body
  std::string body;
};

// GET `path` from 127.0.0.1:`port`. UNAVAILABLE where nobody listens, INTERNAL for what is no HTTP.
absl::StatusOr<HttpAnswer> HttpGet(int port, absl::string_view path);

// Sends `request` as it is. INTERNAL also where the other side hangs up without an answer.
absl::StatusOr<HttpAnswer> HttpSend(int port, absl::string_view request);

}  // namespace rwku::testing
