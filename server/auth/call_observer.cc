#include "server/auth/call_observer.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "net/security/server_credentials.h"
#include "net/status.h"
#include "server/auth/guard.h"
#include "server/auth/rules.h"

namespace rwku::auth {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// Joins the headers of a refused call. No header of a peer has such a name.
constexpr char kRefused[] = "refused within";

constexpr absl::string_view kConnect = "/rwku.v1.WorkerService/Connect";
constexpr absl::string_view kCreateRun = "/rwku.v1.UnlearningService/CreateRun";

template <typename Request>
std::string NameOf(const void* message) {
  return static_cast<const Request*>(message)->name();
}

std::string WorkerOf(const void* message) {
  const auto* first = static_cast<const v1::WorkerMessage*>(message);
  return first->has_hello() ? absl::StrCat("workers/", first->hello().worker()) : "";
}

// What a changing call names in its first message. A created run has its name in the answer.
struct Resource {
  absl::string_view method;
  std::string (*of)(const void* message);
};
constexpr Resource kResources[] = {
    {"/rwku.v1.UnlearningService/CancelRun", NameOf<v1::CancelRunRequest>},
    {"/rwku.v1.UnlearningService/DeleteRun", NameOf<v1::DeleteRunRequest>},
    {"/rwku.v1.UnlearningService/RetryJob", NameOf<v1::RetryJobRequest>},
    {"/rwku.v1.UnlearningService/RescoreRun", NameOf<v1::RescoreRunRequest>},
    {"/rwku.v1.UnlearningService/DrainWorker", NameOf<v1::DrainWorkerRequest>},
    {kConnect, WorkerOf},
};

std::string ResourceOf(absl::string_view method, const void* message) {
  constexpr size_t kMaxBytes = 256;  // it comes from the peer
  for (const Resource& resource : kResources) {
    if (resource.method == method) {
      return resource.of(message).substr(0, kMaxBytes);
    }
  }
  return "";
}

class Observer final : public grpc::experimental::Interceptor {
 public:
  Observer(ServerRpcInfo* info, const Rule& rule, const TokenStore* tokens, AuditLog* audit,
           RefusalLog* refusals, OpenStreams* streams)
      : info_(info),
        rule_(rule),
        tokens_(tokens),
        audit_(audit),
        refusals_(refusals),
        streams_(streams) {
    record_.method = std::string(rule.method);
  }

  // A call whose stream broke off has no status of its own.
  ~Observer() override {
    Forget();
    if (record_.outcome.empty() || record_.outcome == kOpen) {
      WriteLine(refusal_.ok() ? absl::CancelledError() : refusal_);
    }
  }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  void Intercept(InterceptorBatchMethods* methods) override {
    const auto is = [methods](InterceptionHookPoints point) {
      return methods->QueryInterceptionHookPoint(point);
    };
    if (is(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin(methods->GetRecvInitialMetadata());
    }
    if (is(InterceptionHookPoints::POST_RECV_MESSAGE) && !first_message_seen_) {
      first_message_seen_ = true;
      if (const void* const message = methods->GetRecvMessage(); message != nullptr) {
        record_.resource = ResourceOf(rule_.method, message);
      }
      if (rule_.method == kConnect && refusal_.ok()) {
        record_.outcome = std::string(kOpen);
        Write();
      }
    }
    if (is(InterceptionHookPoints::PRE_SEND_MESSAGE) && rule_.method == kCreateRun) {
      if (const void* const message = methods->GetSendMessage(); message != nullptr) {
        record_.resource = NameOf<v1::Run>(message);
      }
    }
    if (is(InterceptionHookPoints::PRE_SEND_STATUS)) {
      if (!refusal_.ok()) {
        methods->ModifySendStatus(net::ToGrpcStatus(refusal_));
      }
      const grpc::Status status = methods->GetSendStatus();
      WriteLine(
          absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()));
    }
    if (is(InterceptionHookPoints::POST_RECV_CLOSE)) {
      Forget();
    }
    methods->Proceed();
  }

 private:
  static constexpr absl::string_view kOpen = "OPEN";

  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  void Begin(Metadata* metadata) {
    grpc::ServerContextBase* const context = info_->server_context();
    record_.peer = context->peer();
    record_.certificate = net::ClientCertificate(*context);
    if (tokens_ == nullptr) {
      return;
    }
    const auto found = metadata->find("authorization");
    const Authentication caller = tokens_->Authenticate(
        found == metadata->end() ? ""
                                 : absl::string_view(found->second.data(), found->second.size()));
    if (caller.identity) {
      record_.identity = caller.identity->id;
      record_.role = std::string(net::RoleName(caller.identity->role));
    }
    refusal_ = caller.status.ok() ? CheckRole(rule_, *caller.identity) : caller.status;
    if (!refusal_.ok()) {
      metadata->emplace(kRefused, "");
      if (info_->type() == ServerRpcInfo::Type::BIDI_STREAMING) {
        context->TryCancel();  // reflection is gRPC's own, and stands behind no GuardedService
      }
    } else if (info_->type() != ServerRpcInfo::Type::UNARY) {
      stream_ = streams_->Add(context, *caller.identity, rule_.access);
    }
  }

  void Forget() {
    if (stream_ != nullptr) {
      streams_->Remove(stream_);
      stream_.reset();
    }
  }

  void WriteLine(const absl::Status& status) {
    record_.outcome = CodeName(static_cast<int>(status.code()));
    record_.message = std::string(status.message());
    Write();
  }

  void Write() {
    if (!refusal_.ok()) {
      refusals_->Write(record_);
    } else if (rule_.changes) {
      audit_->Write(record_);
    }
  }

  ServerRpcInfo* const info_;
  const Rule& rule_;
  const TokenStore* const tokens_;
  AuditLog* const audit_;
  RefusalLog* const refusals_;
  OpenStreams* const streams_;
  AuditRecord record_;
  absl::Status refusal_;
  bool first_message_seen_ = false;
  std::shared_ptr<OpenStreams::Entry> stream_;
};

}  // namespace

bool IsRefused(const grpc::ServerContextBase& context) {
  return context.client_metadata().contains(kRefused);
}

grpc::experimental::Interceptor* CallObserver::CreateServerInterceptor(ServerRpcInfo* info) {
  const Rule* const rule = FindRule(info->method());
  if (rule == nullptr || rule->access == Access::kOpen) {
    return nullptr;
  }
  return new Observer(info, *rule, tokens_, audit_, refusals_, streams_);  // gRPC's
}

}  // namespace rwku::auth
