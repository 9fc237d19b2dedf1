#include "net/metrics/endpoint.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <prometheus/text_serializer.h>

#include "base/status_macros.h"

namespace rwku::net {
namespace {

HttpAnswer AnswerOf(const absl::Status& status) {
  return {.code = status.ok() ? 200 : 503,
          .body = status.ok() ? "ok\n" : absl::StrCat(std::string(status.message()), "\n")};
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& listen,
                                                                        Probe live) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint(std::move(live)));
  const MetricsEndpoint* const self = endpoint.get();
  RWKU_ASSIGN_OR_RETURN(
      endpoint->listener_,
      HttpListener::Start(listen, [self](absl::string_view path) { return self->Answer(path); }));
  return endpoint;
}

MetricsEndpoint::MetricsEndpoint(Probe live) : live_(std::move(live)) {}

MetricsEndpoint::~MetricsEndpoint() = default;

void MetricsEndpoint::Add(const prometheus::Collectable* collectable) {
  absl::MutexLock lock(&mu_);
  collectables_.push_back(collectable);
}

void MetricsEndpoint::Remove(const prometheus::Collectable* collectable) {
  absl::MutexLock lock(&mu_);
  collectables_.erase(std::remove(collectables_.begin(), collectables_.end(), collectable),
                      collectables_.end());
}

void MetricsEndpoint::SetReady(Probe ready) {
  absl::MutexLock lock(&mu_);
  ready_ = std::move(ready);
}

HttpAnswer MetricsEndpoint::Answer(absl::string_view path) const {
  if (path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = Serialize()};
  }
  if (path == "/healthz") {
    return AnswerOf(Live());
  }
  if (path == "/readyz") {
    return AnswerOf(Ready());
  }
  return {.code = 404, .body = "there are /metrics, /healthz and /readyz\n"};
}

std::string MetricsEndpoint::Serialize() const {
  std::vector<prometheus::MetricFamily> families;
  {
    absl::ReaderMutexLock lock(&mu_);
    for (const prometheus::Collectable* collectable : collectables_) {
      std::vector<prometheus::MetricFamily> more = collectable->Collect();
      std::move(more.begin(), more.end(), std::back_inserter(families));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

absl::Status MetricsEndpoint::Live() const { return live_ == nullptr ? absl::OkStatus() : live_(); }

absl::Status MetricsEndpoint::Ready() const {
  absl::ReaderMutexLock lock(&mu_);
  return ready_ == nullptr ? absl::UnavailableError("not serving: starting or stopping") : ready_();
}

}  // namespace rwku::net
