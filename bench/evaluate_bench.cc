// The whole evaluation of one target with a model folder as it is: prints one JSON line with the
// seconds, the peak memory, the tokens, what the model generated, and its choices' and texts'
// log-probabilities. Usage: rwku-evaluate-bench <model> <dataset> <target> [threads=N] [no-sharing]
// bench/evaluate_bench.py and bench/real_model_bench.py run it beside transformers.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "bench/stopwatch.h"
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/evaluate.h"
#include "worker/engine/torch_engine.h"

namespace {

using rwku::evaluate::Prediction;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  rwku::engine::EngineOptions options;
  bool is_valid = argc >= 4;
  for (int i = 4; i < argc; ++i) {
    absl::string_view word = argv[i];
    if (word == "no-sharing") {
      options.share_prefixes = false;
    } else {
      is_valid = is_valid && absl::ConsumePrefix(&word, "threads=") &&
                 absl::SimpleAtoi(word, &options.threads) && options.threads > 0;
    }
  }
  if (!is_valid) {
    std::fputs("usage: rwku-evaluate-bench <model> <dataset> <target> [threads=N] [no-sharing]\n",
               stderr);
    return 2;
  }
  const rwku::CancelToken cancel;
  const auto data = rwku::dataset::Dataset::Open(argv[2]);
  if (!data.ok()) {
    return Fail(data.status());
  }
  const auto target = (*data)->FindTarget(argv[3]);
  if (!target.ok()) {
    return Fail(target.status());
  }
  const auto engine = rwku::engine::CreateTorchEngine(options);
  if (const auto info = engine->Load(argv[1], cancel); !info.ok()) {
    return Fail(info.status());
  }
  const rwku::bench::Stopwatch watch;
  auto evaluation =
      rwku::evaluate::Evaluation::Prepare(**data, **target, (*target)->probe_sets, {}, cancel);
  if (!evaluation.ok()) {
    return Fail(evaluation.status());
  }
  nlohmann::json report;
  const auto summary =
      (*std::move(evaluation))
          .Run(
              engine->model(),
              [&report](const std::vector<Prediction>& predictions) {
                const std::string set(rwku::dataset::ProbeSetName(predictions.front().probe_set));
                for (const Prediction& prediction : predictions) {
                  report["outputs"][set].push_back(prediction.output);
                  for (const auto& choice : prediction.choices) {
                    report["choices"][set].push_back(choice.log_probability);
                  }
                  for (const double score : prediction.token_log_probabilities) {
                    report["token_scores"][set].push_back(score);
                  }
                }
                return absl::OkStatus();
              },
              nullptr, cancel);
  if (!summary.ok()) {
    return Fail(summary.status());
  }
  report["seconds"] = watch.ProcessorSeconds();
  report["wall_seconds"] = watch.WallSeconds();
  report["peak_memory_bytes"] = rwku::bench::PeakMemoryBytes();
  report["prompt_tokens"] = summary->usage.prompt_tokens;
  report["computed_prompt_tokens"] = summary->usage.computed_prompt_tokens;
  report["generated_tokens"] = summary->usage.generated_tokens;
  std::puts(report.dump().c_str());
  return 0;
}
