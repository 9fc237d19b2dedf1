// rwku-gpu-check: whether the engine is right on a GPU, and how fast. One JSON line a stage.

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/gpu_check/device.h"
#include "tools/gpu_check/full_size_checks.h"
#include "tools/gpu_check/model_checks.h"
#include "tools/gpu_check/stage.h"
#include "tools/gpu_check/train_checks.h"

namespace {

using rwku::gpu_check::Figures;
using rwku::gpu_check::Stage;

struct Arguments {
  std::string models;
  std::string trainings;
  std::string scratch = std::filesystem::temp_directory_path();
  std::string device = "cuda";
  std::string only;
  bool is_tiny = false;
};

void Append(std::vector<Stage> more, const std::string& only, std::vector<Stage>* stages) {
  for (Stage& stage : more) {
    if (only.empty() || stage.name.find(only) != std::string::npos) {
      stages->push_back(std::move(stage));
    }
  }
}

int Run(const Arguments& arguments) {
  const bool on_cpu = arguments.device == "cpu";
  const std::string no_gpu = on_cpu ? "the device is cpu" : rwku::gpu_check::PrepareGpu();
  // Without a GPU the stages that any processor can do in time are done there: the tiny ones.
  const at::Device device = no_gpu.empty() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  const std::string tiny_skipped = arguments.is_tiny ? "" : no_gpu;
  std::vector<Stage> stages;
  Append({{"device", "",
           [&](Figures& figures) {
             rwku::gpu_check::Describe(device, figures);
             if (!no_gpu.empty()) {
               figures["no_gpu"] = no_gpu;
             }
             return absl::OkStatus();
           }}},
         arguments.only, &stages);
  Append(rwku::gpu_check::ModelChecks(arguments.models, device, tiny_skipped), arguments.only,
         &stages);
  Append(rwku::gpu_check::TrainChecks(arguments.trainings, device, tiny_skipped, no_gpu),
         arguments.only, &stages);
  if (arguments.is_tiny) {
    Append(rwku::gpu_check::FullSizeChecks({true, arguments.scratch}, device, ""), arguments.only,
           &stages);
  }
  Append(rwku::gpu_check::FullSizeChecks({false, arguments.scratch}, device, no_gpu),
         arguments.only, &stages);
  return rwku::gpu_check::RunStages(stages, std::cout) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Checks the engine on a GPU and measures it: a JSON line a stage, exit status 1 if "
      "one failed.");
  Arguments arguments;
  app.add_option("--models", arguments.models, "Output folder of tests/oracle/model_oracle.py")
      ->required();
  app.add_option("--trainings", arguments.trainings,
                 "Output folder of tests/oracle/train_oracle.py")
      ->required();
  app.add_option("--scratch", arguments.scratch,
                 "Folder for 16 GB of weights that are written and read once")
      ->capture_default_str();
  app.add_option("--device", arguments.device, "cuda or cpu")
      ->check(CLI::IsMember({"cuda", "cpu"}))
      ->capture_default_str();
  app.add_option("--only", arguments.only, "Only stages whose name holds this");
  app.add_flag(
      "--tiny", arguments.is_tiny,
      "Also the stages of the full size at a tiny shape, and without a GPU all stages that "
      "a processor can do");
  app.set_version_flag("--version", RWKU_VERSION);
  CLI11_PARSE(app, argc, argv);
  return Run(arguments);
}
