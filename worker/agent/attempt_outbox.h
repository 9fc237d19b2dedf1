// What one attempt still has to tell the coordinator: prediction chunks until each is acknowledged,
// then the outcome until that is. Knows no stream, thread or clock.
//
//   filling --Complete/Fail--> ended --every chunk acknowledged, outcome written, ResultAck--> done
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/worker.pb.h"

#include "base/digest.h"

namespace rwku::agent {

struct OutboxLimits {
  int chunk_predictions = 256;
  size_t chunk_bytes = size_t{1} << 20;  // serialized, lease included
  int window = 8;                        // sealed chunks that wait for their acknowledgement
};

// Not thread-safe.
class AttemptOutbox {
 public:
  explicit AttemptOutbox(v1::Lease lease, OutboxLimits limits = {});

  // Takes the next prediction. OUT_OF_RANGE for one that fits into no chunk. Not after the end.
  absl::Status Add(const v1::Prediction& prediction);

  // Whether the producer should wait for acknowledgements before it adds more.
  bool Full() const { return static_cast<int>(unacknowledged_.size()) >= limits_.window; }

  // Ends the attempt well. Count and digest of the predictions are filled into `result`.
  void Complete(v1::JobResult result);
  // Ends the attempt well as a rank of a gang whose rank 0 tells the result: there is nothing to
  // tell, ResultAck comes by itself.
  void CompleteAsRank();
  // Ends the attempt badly; chunks that wait are dropped, a long message is cut. Only the first end
  // counts.
  void Fail(v1::FailureClass failure_class, absl::string_view message);
  bool ended() const { return ended_; }

  // The next message to write, taken as written; nullopt while there is none. Completed comes only
  // after every chunk was acknowledged.
  std::optional<v1::WorkerMessage> Next();

  // Whatever was written and not acknowledged will be written again.
  void OnDisconnected();

  // Acknowledgements may come twice, or for what was never sent; those change nothing.
  void OnChunkAck(int sequence);

 private:
  void Seal();

  const v1::Lease lease_;
  const OutboxLimits limits_;
  v1::PredictionChunk open_;
  size_t open_bytes_ = 0;
  int sealed_ = 0;    // chunks so far
  int to_write_ = 0;  // chunks below this number were written on the present stream
  int predictions_ = 0;
  Sha256 digest_;
  std::map<int, v1::PredictionChunk> unacknowledged_;  // by sequence
  bool ended_ = false;
  std::optional<v1::WorkerMessage> outcome_;
  bool outcome_written_ = false;
};

}  // namespace rwku::agent
