// Times greedy decoding of a model folder: prints one JSON line with the seconds of each
// repetition, the tokens, and what of the prompts was computed. Usage:
//   rwku-decode-bench <folder> <prompts.json> <new tokens> <batch> <repetitions> [whole]
// prompts.json holds lists of token ids; `whole` computes every prompt whole, as if none shared a
// beginning with another. bench/decode_bench.py runs it beside transformers.
#include <cstdio>
#include <ctime>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/model/causal_lm.h"

int main(int argc, char** argv) {
  using rwku::engine::GreedyOptions;
  using rwku::engine::GreedyRequest;
  GreedyOptions options;
  int new_tokens = 0;
  int repetitions = 0;
  options.caches.share_prefixes = argc == 6;
  if (argc < 6 || argc > 7 || (argc == 7 && absl::string_view(argv[6]) != "whole") ||
      !absl::SimpleAtoi(argv[3], &new_tokens) || !absl::SimpleAtoi(argv[4], &options.max_batch) ||
      !absl::SimpleAtoi(argv[5], &repetitions)) {
    std::fputs(
        "usage: rwku-decode-bench <folder> <prompts.json> <new> <batch> <repetitions> [whole]\n",
        stderr);
    return 2;
  }
  at::set_num_threads(1);
  const auto model = rwku::engine::LoadCausalLm(argv[1], at::kCPU);
  const auto text = rwku::ReadFile(argv[2]);
  if (!model.ok() || !text.ok()) {
    const absl::Status status = model.ok() ? text.status() : model.status();
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::vector<GreedyRequest> requests;
  for (auto& prompt : nlohmann::json::parse(*text).get<std::vector<std::vector<int32_t>>>()) {
    requests.push_back({std::move(prompt), new_tokens, {}});
  }
  const rwku::CancelToken cancel;
  nlohmann::json report;
  // Packed once per weights, as the peer's are read once.
  rwku::engine::HostRunner runner(**model);
  for (int i = 0; i < repetitions; ++i) {
    rwku::evaluate::Usage usage;
    const std::clock_t start = std::clock();
    const auto outputs =
        rwku::engine::GenerateGreedy(runner, requests, options, nullptr, cancel, usage);
    if (!outputs.ok()) {
      std::fprintf(stderr, "%s\n", outputs.status().ToString().c_str());
      return 1;
    }
    report["seconds"].push_back(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    report["tokens"] = *outputs;
    report["prompt_tokens"] = usage.prompt_tokens;
    report["computed_prompt_tokens"] = usage.computed_prompt_tokens;
  }
  std::puts(report.dump().c_str());
  return 0;
}
