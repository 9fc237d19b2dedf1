// Times greedy decoding of a model folder: prints one JSON line with the seconds of each
// repetition. Usage: rwku-decode-bench <folder> <prompts.json> <new tokens> <batch> <repetitions>
// prompts.json holds lists of token ids. bench/decode_bench.py runs it beside transformers.
#include <cstdio>
#include <ctime>
#include <string>

#include "absl/strings/numbers.h"
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/decode/cpu_runner.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/model/llama.h"

int main(int argc, char** argv) {
  using rwku::engine::GreedyOptions;
  GreedyOptions options;
  int repetitions = 0;
  if (argc != 6 || !absl::SimpleAtoi(argv[3], &options.max_new_tokens) ||
      !absl::SimpleAtoi(argv[4], &options.max_batch) || !absl::SimpleAtoi(argv[5], &repetitions)) {
    std::fputs("usage: rwku-decode-bench <folder> <prompts.json> <new> <batch> <repetitions>\n",
               stderr);
    return 2;
  }
  at::set_num_threads(1);
  const auto model = rwku::engine::LoadLlama(argv[1], at::kCPU);
  const auto text = rwku::ReadFile(argv[2]);
  if (!model.ok() || !text.ok()) {
    const absl::Status status = model.ok() ? text.status() : model.status();
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  const auto prompts = nlohmann::json::parse(*text).get<std::vector<std::vector<int32_t>>>();
  const rwku::CancelToken cancel;
  nlohmann::json report;
  // Packed once per weights, as the peer's are read once.
  rwku::engine::CpuRunner runner(**model);
  for (int i = 0; i < repetitions; ++i) {
    const std::clock_t start = std::clock();
    const auto outputs = rwku::engine::GenerateGreedy(runner, prompts, options, nullptr, cancel);
    if (!outputs.ok()) {
      std::fprintf(stderr, "%s\n", outputs.status().ToString().c_str());
      return 1;
    }
    report["seconds"].push_back(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    report["tokens"] = *outputs;
  }
  std::puts(report.dump().c_str());
  return 0;
}
