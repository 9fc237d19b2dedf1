// This worker's part in the gang that shares an attempt, or the attempt of one worker alone.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/engine.h"
#include "worker/job/attempt.h"

namespace rwku::job {

class GangMember {
 public:
  // Meets the other ranks of `place`; at once where it names no gang. While this lives, `cancel`
  // aborts the gang, also out of waits that look at no token. Both arguments outlive it. Errors of
  // Engine::JoinGang.
  static absl::StatusOr<std::unique_ptr<GangMember>> Join(engine::Engine& engine,
                                                          const GangPlace& place,
                                                          const CancelToken& cancel);

  // Aborts the gang, unless this rank has left it: the others must not wait for this one.
  ~GangMember();
  GangMember(const GangMember&) = delete;
  GangMember& operator=(const GangMember&) = delete;

  // Null for a worker alone.
  engine::Gang* gang() const { return gang_.get(); }

  // The engine's model, whose requests the ranks share.
  evaluate::LanguageModel& model() const;

  // Whether this rank tells what came out. Rank 0 does.
  bool leads() const { return gang_ == nullptr || gang_->rank() == 0; }

  // Waits for the other ranks and compares. UNAVAILABLE that names `what` and a rank whose `digest`
  // is another: workers whose folders differ can make no result together.
  absl::Status Agree(const std::string& digest, absl::string_view what);

  // Ends the gang because this rank's part ended with `status`, and returns what to report: where
  // `status` only says that the gang ended, what ended it.
  absl::Status Fail(const absl::Status& status);

  // Waits until every rank has come to its end. After it, no rank needs another.
  absl::Status Leave();

 private:
  class Watch;

  GangMember(engine::Engine& engine, std::unique_ptr<engine::Gang> gang, const CancelToken& cancel);

  engine::Engine& engine_;
  const CancelToken& cancel_;
  const std::unique_ptr<engine::Gang> gang_;
  std::unique_ptr<evaluate::LanguageModel> shared_model_;
  std::unique_ptr<Watch> watch_;
  bool has_left_ = false;
};

// GangMember::Agree on the weights of the model in `folder`, on the dtype that they are multiplied
// in and on the files that say how texts become tokens. Reads these where there is a gang.
absl::Status AgreeOnModel(GangMember& member, const std::filesystem::path& folder,
                          const std::string& weights_checksum, const std::string& compute_dtype);

}  // namespace rwku::job
