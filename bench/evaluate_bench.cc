// The whole evaluation of one target with a model folder as it is: prints one JSON line with the
// processor seconds, the tokens and what the model generated.
// Usage: rwku-evaluate-bench <model> <dataset> <target> [no-sharing]
// bench/evaluate_bench.py runs it beside transformers.
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

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
  if (argc != 4 && argc != 5) {
    std::fputs("usage: rwku-evaluate-bench <model> <dataset> <target> [no-sharing]\n", stderr);
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
  rwku::engine::EngineOptions options;
  options.share_prefixes = argc == 4;
  const auto engine = rwku::engine::CreateTorchEngine(options);
  if (const auto info = engine->Load(argv[1], cancel); !info.ok()) {
    return Fail(info.status());
  }
  const std::clock_t start = std::clock();
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
                }
                return absl::OkStatus();
              },
              nullptr, cancel);
  if (!summary.ok()) {
    return Fail(summary.status());
  }
  report["seconds"] = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  report["prompt_tokens"] = summary->usage.prompt_tokens;
  report["computed_prompt_tokens"] = summary->usage.computed_prompt_tokens;
  report["generated_tokens"] = summary->usage.generated_tokens;
  std::puts(report.dump().c_str());
  return 0;
}
