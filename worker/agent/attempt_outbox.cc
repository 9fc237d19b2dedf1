#include "worker/agent/attempt_outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "worker/agent/convert.h"

namespace rwku::agent {
namespace {

// Tag and length in front of one prediction within a chunk.
constexpr size_t kFieldOverhead = 6;
// Tag, length and number of a chunk within its message.
constexpr size_t kChunkOverhead = 32;

}  // namespace

AttemptOutbox::AttemptOutbox(v1::Lease lease, OutboxLimits limits)
    : lease_(std::move(lease)), limits_(limits) {}

absl::Status AttemptOutbox::Add(const v1::Prediction& prediction) {
  RWKU_CHECK(!ended());
  const std::string bytes = SerializeDeterministically(prediction);
  const size_t room = limits_.chunk_bytes - lease_.ByteSizeLong() - kChunkOverhead;
  const size_t needed = bytes.size() + kFieldOverhead;
  if (needed > room) {
    return absl::OutOfRangeError(absl::StrCat("prediction ", prediction.index(), " of ",
                                              prediction.probe_set(), " has ", bytes.size(),
                                              " bytes; a chunk holds ", room));
  }
  if (open_bytes_ + needed > room) {
    Seal();
  }
  *open_.add_predictions() = prediction;
  open_bytes_ += needed;
  ++predictions_;
  digest_.Update(bytes);
  if (open_.predictions_size() == limits_.chunk_predictions) {
    Seal();
  }
  return absl::OkStatus();
}

void AttemptOutbox::Seal() {
  *open_.mutable_lease() = lease_;
  open_.set_sequence(sealed_);
  unacknowledged_.emplace(sealed_, std::exchange(open_, {}));
  open_bytes_ = 0;
  ++sealed_;
}

void AttemptOutbox::Complete(v1::JobResult result) {
  if (ended()) {
    return;
  }
  if (open_.predictions_size() > 0) {
    Seal();
  }
  result.set_prediction_count(predictions_);
  result.set_predictions_digest(digest_.HexDigest());
  ended_ = true;
  v1::Completed* completed = outcome_.emplace().mutable_completed();
  *completed->mutable_lease() = lease_;
  completed->set_chunks(sealed_);
  *completed->mutable_result() = std::move(result);
}

void AttemptOutbox::CompleteAsRank() { ended_ = true; }

void AttemptOutbox::Fail(v1::FailureClass failure_class, absl::string_view message) {
  if (ended()) {
    return;
  }
  ended_ = true;
  unacknowledged_.clear();
  v1::Failed* failed = outcome_.emplace().mutable_failed();
  *failed->mutable_lease() = lease_;
  failed->set_failure_class(failure_class);
  failed->set_message(FailureMessage(message));
}

std::optional<v1::WorkerMessage> AttemptOutbox::Next() {
  const auto chunk = unacknowledged_.lower_bound(to_write_);
  if (chunk != unacknowledged_.end()) {
    to_write_ = chunk->first + 1;
    v1::WorkerMessage message;
    *message.mutable_prediction_chunk() = chunk->second;
    return message;
  }
  if (unacknowledged_.empty() && outcome_.has_value() && !outcome_written_) {
    outcome_written_ = true;
    return outcome_;
  }
  return std::nullopt;
}

void AttemptOutbox::OnDisconnected() {
  to_write_ = 0;
  outcome_written_ = false;
}

void AttemptOutbox::OnChunkAck(int sequence) { unacknowledged_.erase(sequence); }

}  // namespace rwku::agent
