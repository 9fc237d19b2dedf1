// One rank of a gang as a process, for tests:
//
//   testing-rank MODE RANK WORLD HOST:PORT NAME FOLDER
//
// cases   trains all TrainingCases() and writes FOLDER/RANK.txt, a line a case
// join    joins and leaves again
// gather  joins, then waits in AllGather for a rank that never comes to it, if it is not rank 1
// train   joins and trains for ever
// fail    joins; rank 0 runs out of memory while the others wait in AllGather
// exhaust as train, until rank 1 runs out of memory after step 5
//
// Says "joined" in FOLDER/RANK.joined and, in train, "trains" in FOLDER/RANK.trains; ends by
// writing its status to FOLDER/RANK.status.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <ATen/Parallel.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "worker/engine/parallel/c10d_gang.h"
#include "worker/engine/parallel/training_cases_fixture.h"

namespace rwku::engine {
namespace {

struct Arguments {
  std::string mode;
  GangPlan plan;
  std::filesystem::path folder;
};

absl::Status Say(const Arguments& arguments, const std::string& what, const std::string& line) {
  return WriteFileAtomically(arguments.folder / absl::StrCat(arguments.plan.rank, ".", what),
                             absl::StrCat(line, "\n"));
}

absl::Status RunCases(const Arguments& arguments, Gang& gang, const CancelToken& cancel) {
  std::string lines;
  for (const TrainingCase& one : TrainingCases()) {
    RWKU_ASSIGN_OR_RETURN(const CaseResult result, RunCase(one, &gang, cancel));
    absl::StrAppend(&lines, ToText(result), "\n");
  }
  return WriteFileAtomically(arguments.folder / absl::StrCat(arguments.plan.rank, ".txt"), lines);
}

absl::Status TrainForEver(const Arguments& arguments, Gang& gang, const CancelToken& cancel) {
  const auto model = CaseModel(/*ties_head=*/true);
  TrainingPlan plan = CasePlan(Objective::kGradientAscent);
  plan.epochs = 20000;
  plan.learning_rate = 1e-9;
  plan.gang = &gang;
  TrainingCallbacks callbacks;
  callbacks.on_step = [&](const TrainingStep& step) {
    if (step.step == 3) {
      Say(arguments, "trains", "trains").IgnoreError();
    }
    if (arguments.mode == "exhaust" && arguments.plan.rank == 1 && step.step == 5) {
      gang.Abort(absl::ResourceExhaustedError("no memory is left"));
    }
  };
  return TrainModel(*model, NumberTokenizer(32, /*eos_id=*/4), plan, callbacks, cancel).status();
}

absl::Status Run(const Arguments& arguments) {
  at::set_num_threads(1);
  const CancelToken cancel;
  RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<TensorGang> gang,
                        JoinC10dGang(arguments.plan, at::kCPU, cancel));
  RWKU_RETURN_IF_ERROR(Say(arguments, "joined", "joined"));
  if (arguments.mode == "cases") {
    return RunCases(arguments, *gang, cancel);
  }
  if (arguments.mode == "train" || arguments.mode == "exhaust") {
    return TrainForEver(arguments, *gang, cancel);
  }
  if (arguments.mode == "fail") {
    if (arguments.plan.rank == 0) {
      gang->Abort(absl::ResourceExhaustedError("no memory is left"));
    } else {
      gang->AllGather("mine", cancel).status().IgnoreError();
    }
    return gang->failure();
  }
  if (arguments.mode == "gather") {
    if (arguments.plan.rank == 1) {
      // Alive, but busy with something else.
      absl::SleepFor(absl::Seconds(60));
    }
    return gang->AllGather("mine", cancel).status();
  }
  return absl::OkStatus();
}

absl::Status RunRank(const std::vector<std::string>& words) {
  Arguments arguments;
  if (words.size() != 7 || !absl::SimpleAtoi(words[2], &arguments.plan.rank) ||
      !absl::SimpleAtoi(words[3], &arguments.plan.world_size)) {
    return absl::InvalidArgumentError("testing-rank MODE RANK WORLD HOST:PORT NAME FOLDER");
  }
  arguments.mode = words[1];
  arguments.plan.rendezvous = words[4];
  arguments.plan.name = words[5];
  arguments.folder = words[6];
  arguments.plan.timeout = absl::Seconds(arguments.mode == "cases" ? 20 : 2);
  arguments.plan.join_timeout = absl::Seconds(30);
  const absl::Status status = Run(arguments);
  return Say(arguments, "status", status.ToString());
}

}  // namespace
}  // namespace rwku::engine

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const bool done = rwku::engine::RunRank({argv, argv + argc}).ok();
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
