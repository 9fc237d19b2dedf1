#include "server/auth/open_streams.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "base/log.h"

namespace rwku::auth {

class OpenStreams::Entry {
 public:
  Entry(grpc::ServerContextBase* context, Identity identity, Access access)
      : identity_(std::move(identity)), access_(access), context_(context) {}

  const Identity& identity() const { return identity_; }
  Access access() const { return access_; }

  void Cancel() {
    grpc::ServerContextBase* context = nullptr;
    {
      const absl::MutexLock lock(&mu_);
      if (context_ == nullptr || cancelled_) {
        return;
      }
      cancelled_ = true;
      canceller_ = std::this_thread::get_id();
      context = context_;
    }
    // Without the lock: gRPC may end the call in this very thread.
    context->TryCancel();
    const absl::MutexLock lock(&mu_);
    canceller_ = std::thread::id();
  }

  // Returns once nobody uses the context.
  void Forget() {
    const auto unused = [this] {
      return canceller_ == std::thread::id() || canceller_ == std::this_thread::get_id();
    };
    const absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&unused));
    context_ = nullptr;
  }

 private:
  const Identity identity_;
  const Access access_;
  absl::Mutex mu_;
  grpc::ServerContextBase* context_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::thread::id canceller_ ABSL_GUARDED_BY(mu_);  // the thread within TryCancel; none: default
};

std::shared_ptr<OpenStreams::Entry> OpenStreams::Add(grpc::ServerContextBase* context,
                                                     Identity identity, Access access) {
  auto entry = std::make_shared<Entry>(context, std::move(identity), access);
  const absl::MutexLock lock(&mu_);
  entries_.push_back(entry);
  return entry;
}

void OpenStreams::Remove(const std::shared_ptr<Entry>& entry) {
  entry->Forget();
  const absl::MutexLock lock(&mu_);
  entries_.remove(entry);
}

void OpenStreams::Sweep(const TokenStore& tokens) {
  std::vector<std::shared_ptr<Entry>> entries;
  {
    const absl::MutexLock lock(&mu_);
    entries.assign(entries_.begin(), entries_.end());
  }
  for (const std::shared_ptr<Entry>& entry : entries) {
    const absl::StatusOr<Identity> identity = tokens.Refresh(entry->identity());
    if (!identity.ok() || !Allows(entry->access(), identity->role)) {
      RWKU_LOG(kInfo, "ends a stream whose token is not good any more")
          .With("token", entry->identity().id);
      entry->Cancel();
    }
  }
}

}  // namespace rwku::auth
