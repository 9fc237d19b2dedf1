#include "client/cli/session.h"

#include <ostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "client/cli/exit_code.h"
#include "client/cli/table.h"
#include "net/status.h"

namespace rwku::cli {

bool Interrupt::Raise() {
  // Called under the lock, so that nothing that the handler needs can go away meanwhile: SetHandler
  // returns only after a running handler has.
  const absl::MutexLock lock(&mu_);
  const bool first = !raised_;
  raised_ = true;
  if (!first || !handler_) {
    return false;
  }
  handler_();
  return true;
}

bool Interrupt::raised() const {
  const absl::MutexLock lock(&mu_);
  return raised_;
}

void Interrupt::SetHandler(const std::function<void()>& handler) {
  bool raised = false;
  {
    const absl::MutexLock lock(&mu_);
    handler_ = handler;
    raised = raised_;
  }
  if (raised && handler) {
    handler();
  }
}

Session::Session(Environment environment, Globals globals)
    : environment_(std::move(environment)), globals_(std::move(globals)), invocation_("rwku") {
  if (globals_.server != Globals().server) {
    absl::StrAppend(&invocation_, " --server ", globals_.server);
  }
}

Session::~Session() {
  if (client_ != nullptr && !local_) {
    environment_.interrupt->SetHandler(nullptr);
  }
}

absl::StatusOr<client::Client*> Session::client() {
  if (client_ == nullptr) {
    client::ClientOptions options;
    options.server = globals_.server;
    options.security = globals_.security;
    RWKU_ASSIGN_OR_RETURN(options.timeout, ParseTimeout(globals_.timeout));
    options.retry_window = environment_.retry_window;
    options.backoff.initial = environment_.first_backoff;
    options.seed = environment_.seed;
    options.clock = environment_.clock;
    absl::StatusOr<std::unique_ptr<client::Client>> client = client::Client::Create(options);
    if (!client.ok()) {
      return absl::InvalidArgumentError(client.status().message());
    }
    client_ = *std::move(client);
    environment_.interrupt->SetHandler([client = client_.get()] { client->Cancel(); });
  }
  return client_.get();
}

int Session::Fail(const absl::Status& status) const {
  if (absl::IsCancelled(status) && environment_.interrupt->raised()) {
    return kExitInterrupted;
  }
  err() << ErrorText(status);
  return ExitCodeOf(status);
}

void Session::PrintJson(const google::protobuf::Message& message) const {
  out() << ToJson(message, /*indented=*/true);
}

void Session::SetLocal(std::string invocation, int workers) {
  local_workers_ = workers;
  local_ = true;
  invocation_ = std::move(invocation);
}

std::string ErrorText(const absl::Status& status) {
  const v1::ErrorDetails details = net::DetailsOf(status);
  std::string message = OneLine(status.message());
  if (message.empty()) {
    message = absl::StatusCodeToString(status.code());
  }
  if (details.violations_size() < 2) {
    return absl::StrCat("error: ", message, "\n");
  }
  std::string text =
      absl::StrCat("error: the request is wrong in ", details.violations_size(), " places\n");
  for (const v1::FieldViolation& violation : details.violations()) {
    absl::StrAppend(&text, "  ", OneLine(violation.field()), violation.field().empty() ? "" : ": ",
                    OneLine(violation.description()), "\n");
  }
  return text;
}

std::string ToJson(const google::protobuf::Message& message, bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indented;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  RWKU_CHECK(google::protobuf::util::MessageToJsonString(message, &json, options).ok());
  return json.empty() || json.back() == '\n' ? json : json + "\n";
}

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text) {
  double seconds = 0;
  absl::Duration timeout;
  if (absl::SimpleAtod(text, &seconds)) {
    timeout = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &timeout)) {
    timeout = absl::ZeroDuration();
  }
  if (timeout <= absl::ZeroDuration() || timeout > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--timeout \"", text, "\" is not a time above 0 and up to 24h, such as 30s or 2m"));
  }
  return timeout;
}

}  // namespace rwku::cli
