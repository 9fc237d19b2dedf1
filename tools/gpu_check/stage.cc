#include "tools/gpu_check/stage.h"

#include <chrono>

#include "worker/engine/torch_status.h"

namespace rwku::gpu_check {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

bool RunStages(const std::vector<Stage>& stages, std::ostream& out) {
  const Clock::time_point begin = Clock::now();
  int failed = 0;
  int skipped = 0;
  for (const Stage& stage : stages) {
    Figures line = {{"stage", stage.name}, {"ok", true}};
    if (!stage.skipped.empty()) {
      line["skipped"] = stage.skipped;
      ++skipped;
    } else {
      const Clock::time_point stage_begin = Clock::now();
      Figures figures = Figures::object();
      const absl::Status status = engine::CatchTorch([&] { return stage.run(figures); });
      line["ok"] = status.ok();
      line["seconds"] = SecondsSince(stage_begin);
      line.update(figures);
      if (!status.ok()) {
        line["error"] = status.ToString();
        ++failed;
      }
    }
    out << line.dump() << std::endl;
  }
  out << Figures{{"stage", "all"},          {"ok", failed == 0}, {"seconds", SecondsSince(begin)},
                 {"stages", stages.size()}, {"failed", failed},  {"skipped", skipped}}
             .dump()
      << std::endl;
  return failed == 0;
}

}  // namespace rwku::gpu_check
