// rwku-worker-fake: the worker's daemon with a FakeEngine, for tests that kill, stop and starve
// workers. Flags are the worker's own; the engine is set by the environment:
//
//   RWKU_FAKE_STEP_MS      time of a training step (default 0)
//   RWKU_FAKE_ITEM_MS      time of a prompt or text (default 0)
//   RWKU_FAKE_OOM_STEP     training runs out of memory at this step ...
//   RWKU_FAKE_OOM_PARTS    ... unless its batches are split into at least this many parts
//   RWKU_FAKE_NAN_STEP     training meets a NaN at this step
//   RWKU_FAKE_LOST_STEP    the device is lost at this step of a training
//   RWKU_FAKE_HANG_STEP    training hangs at this step
//   RWKU_FAKE_MUTE_LR_E9   trainings with at least this many 1e-9 of learning rate end in blank
//   outputs RWKU_FAKE_BAD_RESTORE  1: the original weights do not come back
#include <cstdlib>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "base/status_macros.h"
#include "tests/testing/fake_engine.h"
#include "worker/agent/daemon.h"

namespace {

absl::StatusOr<std::optional<int>> ReadVariable(const char* name) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  if (text == nullptr) {
    return std::nullopt;
  }
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": \"", text, "\"; a number of at least 0 is allowed"));
  }
  return value;
}

absl::StatusOr<rwku::agent::EngineSetup> MakeEngine(const rwku::agent::EngineRequest& /*request*/) {
  rwku::testing::FakeEngineOptions options;
  RWKU_ASSIGN_OR_RETURN(const std::optional<int> step, ReadVariable("RWKU_FAKE_STEP_MS"));
  RWKU_ASSIGN_OR_RETURN(const std::optional<int> item, ReadVariable("RWKU_FAKE_ITEM_MS"));
  RWKU_ASSIGN_OR_RETURN(options.out_of_memory_at_step, ReadVariable("RWKU_FAKE_OOM_STEP"));
  RWKU_ASSIGN_OR_RETURN(const std::optional<int> parts, ReadVariable("RWKU_FAKE_OOM_PARTS"));
  RWKU_ASSIGN_OR_RETURN(options.nan_at_step, ReadVariable("RWKU_FAKE_NAN_STEP"));
  RWKU_ASSIGN_OR_RETURN(options.lost_device_at_step, ReadVariable("RWKU_FAKE_LOST_STEP"));
  RWKU_ASSIGN_OR_RETURN(options.hang_at_step, ReadVariable("RWKU_FAKE_HANG_STEP"));
  RWKU_ASSIGN_OR_RETURN(const std::optional<int> mute, ReadVariable("RWKU_FAKE_MUTE_LR_E9"));
  if (mute.has_value()) {
    options.mute_learning_rate = 1e-9 * *mute;
  }
  RWKU_ASSIGN_OR_RETURN(const std::optional<int> bad, ReadVariable("RWKU_FAKE_BAD_RESTORE"));
  options.step_time = absl::Milliseconds(step.value_or(0));
  options.item_time = absl::Milliseconds(item.value_or(0));
  options.enough_parts = parts.value_or(options.enough_parts);
  options.restore_fails = bad.value_or(0) != 0;
  return rwku::agent::EngineSetup{
      .engine = std::make_unique<rwku::testing::FakeEngine>(std::move(options)),
      .device = "cpu",
      .description = "fake engine",
      .memory_bytes = 0};
}

}  // namespace

int main(int argc, char** argv) { return rwku::agent::RunDaemon(argc, argv, MakeEngine); }
