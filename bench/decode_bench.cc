// Times greedy decoding of a model folder: prints one JSON line with the seconds of each
// repetition ("seconds" of processor time, "wall_seconds"), the tokens, and what of the prompts was
// computed. Usage:
//   rwku-decode-bench <folder> <prompts.json> <new tokens> <batch> <repetitions> [threads=N]
//   [whole]
// prompts.json holds lists of token ids; one thread unless said otherwise; `whole` computes every
// prompt whole, as if none shared a beginning with another. bench/decode_bench.py runs it beside
// transformers, bench/real_model_bench.py beside llama.cpp.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "bench/stopwatch.h"
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/file.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/model/causal_lm.h"

int main(int argc, char** argv) {
  using rwku::engine::DecodeOptions;
  using rwku::engine::DecodeRequest;
  DecodeOptions options;
  int new_tokens = 0;
  int repetitions = 0;
  int threads = 1;
  bool is_valid = argc >= 6 && absl::SimpleAtoi(argv[3], &new_tokens) &&
                  absl::SimpleAtoi(argv[4], &options.max_batch) &&
                  absl::SimpleAtoi(argv[5], &repetitions);
  for (int i = 6; i < argc; ++i) {
    absl::string_view word = argv[i];
    if (word == "whole") {
      options.caches.share_prefixes = false;
    } else {
      is_valid = is_valid && absl::ConsumePrefix(&word, "threads=") &&
                 absl::SimpleAtoi(word, &threads) && threads > 0;
    }
  }
  if (!is_valid) {
    std::fputs(
        "usage: rwku-decode-bench <folder> <prompts.json> <new> <batch> <repetitions> "
        "[threads=N] [whole]\n",
        stderr);
    return 2;
  }
  at::set_num_threads(threads);
  const auto model = rwku::engine::LoadCausalLm(argv[1], at::kCPU);
  const auto text = rwku::ReadFile(argv[2]);
  if (!model.ok() || !text.ok()) {
    const absl::Status status = model.ok() ? text.status() : model.status();
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::vector<DecodeRequest> requests;
  for (auto& prompt : nlohmann::json::parse(*text).get<std::vector<std::vector<int32_t>>>()) {
    requests.push_back({std::move(prompt), new_tokens, {}});
  }
  const rwku::CancelToken cancel;
  nlohmann::json report;
  // Packed once per weights, as the peer's are read once.
  rwku::engine::HostRunner runner(**model);
  for (int i = 0; i < repetitions; ++i) {
    rwku::evaluate::Usage usage;
    const rwku::bench::Stopwatch watch;
    const auto outputs =
        rwku::engine::GenerateTokens(runner, requests, options, nullptr, cancel, usage);
    if (!outputs.ok()) {
      std::fprintf(stderr, "%s\n", outputs.status().ToString().c_str());
      return 1;
    }
    report["seconds"].push_back(watch.ProcessorSeconds());
    report["wall_seconds"].push_back(watch.WallSeconds());
    report["tokens"] = *outputs;
    report["prompt_tokens"] = usage.prompt_tokens;
    report["computed_prompt_tokens"] = usage.computed_prompt_tokens;
  }
  report["peak_memory_bytes"] = rwku::bench::PeakMemoryBytes();
  std::puts(report.dump().c_str());
  return 0;
}
