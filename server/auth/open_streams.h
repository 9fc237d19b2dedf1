// The streams that were let in, so that they end when their tokens do.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include <grpcpp/server_context.h>

#include "server/auth/rules.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

// Thread-safe.
class OpenStreams {
 public:
  class Entry;

  // `context` is valid until Remove has returned.
  std::shared_ptr<Entry> Add(grpc::ServerContextBase* context, Identity identity, Access access)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(const std::shared_ptr<Entry>& entry) ABSL_LOCKS_EXCLUDED(mu_);

  // Cancels every stream whose token is gone, replaced, revoked, expired or of another role by now.
  // Its peer sees CANCELLED and learns the reason when it calls again.
  void Sweep(const TokenStore& tokens) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Mutex mu_;
  std::list<std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
