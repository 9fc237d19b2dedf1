// What the coordinator asks of a connection to a worker. The service implements it over a gRPC
// stream, tests with a list.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

#include "server/scheduler/types.h"

namespace rwku::coordinator {

// The worker is in. Of its leases, `kept` are still good; it stops the others.
struct WelcomeMessage {
  std::vector<scheduler::Lease> kept;
};
struct AssignMessage {
  scheduler::Lease lease;
  std::string payload;           // of the job: the service's serialized JobSpec
  int micro_batch_halvings = 0;  // earlier attempts ran out of memory this often
  int world_size = 1;            // ranks of the gang; 1 = none
  int rank = 0;
  std::string rendezvous;  // where the ranks meet
};
struct RevokeMessage {
  scheduler::Lease lease;
  std::string reason;
};
struct ChunkAckMessage {
  scheduler::Lease lease;
  int sequence = 0;
};
struct ResultAckMessage {
  scheduler::Lease lease;
};
struct DrainMessage {};
using SessionMessage = std::variant<WelcomeMessage, AssignMessage, RevokeMessage, ChunkAckMessage,
                                    ResultAckMessage, DrainMessage>;

// Thread-safe. Neither call blocks nor calls back into the coordinator; both do nothing on a
// session that is closed.
class WorkerSession {
 public:
  virtual ~WorkerSession() = default;
  // Queues a message. A session whose queue is full closes itself.
  virtual void Send(SessionMessage message) = 0;
  // Ends the stream with `status` after what is queued.
  virtual void Close(absl::Status status) = 0;
};

}  // namespace rwku::coordinator
