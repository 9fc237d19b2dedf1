// An Engine without a model behind it: what it says is a function of the folder's config.json, the
// training plan and the prompt. For tests of everything around the engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/cancel.h"
#include "worker/engine/engine.h"

namespace rwku::testing {

struct FakeEngineOptions {
  // Time that a training step, a request and a text take. The wait ends early on cancellation.
  absl::Duration step_time = absl::ZeroDuration();
  absl::Duration item_time = absl::ZeroDuration();
  // Called at the start of every optimizer step (from 1) on the engine's thread; may block.
  std::function<void(int step, const CancelToken& cancel)> before_step;

  // Training fails at this step with RESOURCE_EXHAUSTED, unless the plan splits batches into at
  // least `enough_parts` parts.
  std::optional<int> out_of_memory_at_step;
  int enough_parts = 1 << 30;
  // Training fails at this step with DATA_LOSS.
  std::optional<int> nan_at_step;
  // Training fails at this step with engine::DeviceLostError().
  std::optional<int> lost_device_at_step;
  // Training hangs at this step, deaf to its cancel token.
  std::optional<int> hang_at_step;
  // A training with at least this learning rate leaves a model whose outputs are blank, from the
  // end of its first epoch to the next Restore().
  std::optional<double> mute_learning_rate;
  // Restore() after a training leaves the weights trained, and says so by their checksum.
  bool restore_fails = false;
};

// Once constructed, for one thread at a time, like every Engine.
//
// A step's loss, an output and a score depend on weights and input only; weights depend on the
// model and on the plan without its micro_batch_parts. An output is one to five lower-case words. A
// token is a word, after a start token.
class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(FakeEngineOptions options);
  FakeEngine(const FakeEngine&) = delete;
  FakeEngine& operator=(const FakeEngine&) = delete;

  absl::StatusOr<engine::ModelInfo> Load(const std::filesystem::path& folder,
                                         const CancelToken& cancel) override;
  void Unload() override { folder_.clear(); }
  evaluate::LanguageModel& model() override { return model_; }
  absl::StatusOr<engine::TrainingReport> Train(const engine::TrainingPlan& plan,
                                               const engine::TrainingCallbacks& callbacks,
                                               const CancelToken& cancel) override;
  absl::Status Steer(const engine::SteeringPlan& plan, const CancelToken& cancel) override;
  // Ranks of one process meet (fake_gang.h). Those of a training keep step, and change nothing.
  absl::StatusOr<std::unique_ptr<engine::Gang>> JoinGang(const engine::GangPlan& plan,
                                                         const CancelToken& cancel) override;
  // Writes one file, weights.txt, with the checksum of the weights as they are now.
  absl::Status Export(const std::filesystem::path& folder, const CancelToken& cancel) override;
  absl::StatusOr<std::string> Restore() override;

  // What was asked so far.
  const std::vector<engine::TrainingPlan>& plans() const { return plans_; }
  const std::vector<engine::SteeringPlan>& steerings() const { return steerings_; }
  int loads() const { return loads_; }
  int restores() const { return restores_; }

 private:
  class Model final : public evaluate::LanguageModel {
   public:
    explicit Model(FakeEngine* engine) : engine_(engine) {}
    absl::StatusOr<evaluate::Answers> Answer(const evaluate::Questions& questions,
                                             const evaluate::PromptOptions& options,
                                             const evaluate::ProgressCallback& progress,
                                             const CancelToken& cancel) override;
    evaluate::Usage usage() const override { return engine_->usage_; }

   private:
    std::string Generate(const evaluate::GenerateRequest& request,
                         const evaluate::PromptOptions& options);
    std::string Sample(const evaluate::SampleRequest& request,
                       const evaluate::PromptOptions& options);

    FakeEngine* engine_;  // owns this
  };

  const FakeEngineOptions options_;
  Model model_;
  std::filesystem::path folder_;
  engine::ModelInfo info_;
  std::string weights_;    // checksum of the weights as they are now
  bool mute_ = false;      // whether outputs are blank
  evaluate::Usage usage_;  // since the model was loaded
  std::vector<engine::TrainingPlan> plans_;
  std::vector<engine::SteeringPlan> steerings_;
  int loads_ = 0;
  int restores_ = 0;
};

// Writes a model folder that FakeEngine loads and a server lists: config.json of a Llama with
// `seed` in it, beside a tokenizer and weights that hold nothing.
absl::Status WriteFakeModel(const std::filesystem::path& folder, int seed);

}  // namespace rwku::testing
