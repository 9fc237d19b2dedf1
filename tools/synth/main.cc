// rwku-synth: makes a synthetic benchmark in RWKU's format, and a tiny model that knows it.

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include <CLI/CLI.hpp>

#include "tools/synth/dataset_writer.h"
#include "tools/synth/tiny_model.h"
#include "tools/synth/world.h"

namespace {

using rwku::synth::DatasetOptions;
using rwku::synth::Layout;
using rwku::synth::TinyModelOptions;
using rwku::synth::TinyModelProgress;

struct Arguments {
  uint64_t seed = 7;
  int targets = 20;
  std::string out;
  std::string layout = "processed";
  TinyModelOptions model;
};

int Report(const absl::Status& status) {
  if (status.ok()) {
    return 0;
  }
  std::cerr << "error: " << status.message() << "\n";
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

absl::Status RunDataset(const Arguments& arguments) {
  auto world = rwku::synth::MakeWorld(arguments.seed, arguments.targets);
  if (!world.ok()) {
    return world.status();
  }
  DatasetOptions options;
  options.layout = arguments.layout == "hub" ? Layout::kHub : Layout::kProcessed;
  return rwku::synth::WriteDataset(*world, arguments.seed, options, arguments.out);
}

absl::Status RunModel(const Arguments& arguments) {
  auto world = rwku::synth::MakeWorld(arguments.seed, arguments.targets);
  if (!world.ok()) {
    return world.status();
  }
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto report = [terminal](const TinyModelProgress& progress) {
    std::fprintf(stderr, "%straining the tiny model: step %d/%d, loss %.3f%s", terminal ? "\r" : "",
                 progress.step, progress.steps, progress.loss,
                 terminal && progress.step < progress.steps ? "" : "\n");
  };
  return rwku::synth::MakeTinyModel(*world, arguments.model, report, arguments.out);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Makes a synthetic RWKU benchmark of invented people, and a tiny model that knows them.\n"
      "Everything is deterministic in the seed.\n\n"
      "Example:\n"
      "  rwku-synth dataset --targets 8 --out data/synthetic\n"
      "  rwku-synth model --targets 8 --out models/tiny");
  app.set_version_flag("--version", std::string(RWKU_VERSION));
  app.require_subcommand(1);
  Arguments arguments;
  const auto add_common = [&arguments](CLI::App* command) {
    command->add_option("--seed", arguments.seed, "Seed of the world")->capture_default_str();
    command->add_option("--targets", arguments.targets, "Number of targets, 1 to 200")
        ->capture_default_str();
    command->add_option("--out", arguments.out, "Folder to write; must not exist")->required();
  };
  CLI::App* dataset = app.add_subcommand("dataset", "Write the benchmark");
  add_common(dataset);
  dataset->add_option("--layout", arguments.layout, "Layout of the files")
      ->check(CLI::IsMember({"processed", "hub"}))
      ->capture_default_str();
  CLI::App* model = app.add_subcommand("model", "Train and write the tiny model");
  add_common(model);
  model->add_option("--model-seed", arguments.model.seed, "Seed of weights and documents")
      ->capture_default_str();
  model->add_option("--steps", arguments.model.steps, "Training steps of 1,024 tokens")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  model->add_option("--threads", arguments.model.threads, "CPU threads")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Report(dataset->parsed() ? RunDataset(arguments) : RunModel(arguments));
}
