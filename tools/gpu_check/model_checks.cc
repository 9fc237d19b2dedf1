#include "tools/gpu_check/model_checks.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/score/score.h"

namespace rwku::gpu_check {
namespace {

using engine::CausalLm;
using engine::GreedyRequest;
using engine::ScoreQuery;
using engine::TokenScore;
using engine::TorchRunner;
using nlohmann::json;
using Sequences = std::vector<std::vector<int32_t>>;

// One of each family, with grouped queries, windows, llama3's and longrope's rotations.
constexpr const char* kModels[] = {"gqa_tied",       "mqa_odd",   "llama3_8",
                                   "mistral_window", "phi3_long", "qwen2_window"};
constexpr int kLogitPrompts = 8;  // whose logits the oracle wrote
constexpr int64_t kCacheBytes = int64_t{64} << 20;
// Between float32 on two devices, as sums of some hundred products may differ.
constexpr double kFloatTolerance = 1e-4;
// Of log-probabilities, bfloat16 against float32, in the mean over all tokens of all prompts.
constexpr double kBfloatMean = 0.05;
constexpr size_t kBatch = 353;  // generations of an evaluation
constexpr size_t kAlone = 24;

struct Oracle {
  std::string name;
  std::filesystem::path folder;
  json expected;
  Sequences prompts;
};

absl::StatusOr<Oracle> ReadOracle(const std::filesystem::path& models, const char* name) {
  Oracle oracle{name, models / name, {}, {}};
  RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(oracle.folder / "expected.json"));
  oracle.expected = json::parse(text);
  oracle.prompts = oracle.expected["prompts"].get<Sequences>();
  return oracle;
}

// The largest difference so far, and where it was.
struct Worst {
  double value = 0;
  std::string where;

  void Take(double difference, const std::string& at) {
    if (!(difference <= value)) {
      value = difference;
      where = at;
    }
  }
};

absl::StatusOr<Worst> CompareLogits(const Oracle& oracle, TorchRunner& runner) {
  const CancelToken cancel;
  RWKU_ASSIGN_OR_RETURN(const engine::SafetensorsFile file,
                        engine::SafetensorsFile::Open(oracle.folder / "expected.safetensors"));
  Worst worst;
  for (int i = 0; i < kLogitPrompts; ++i) {
    const std::vector<int32_t>& prompt = oracle.prompts[static_cast<size_t>(i)];
    const auto cache = runner.NewCache(static_cast<int64_t>(prompt.size()));
    RWKU_ASSIGN_OR_RETURN(const auto rows, runner.Forward({{cache.get(), prompt, 0}}, cancel));
    const std::vector<float> logits = runner.Logits(engine::AllOf(*rows));
    RWKU_ASSIGN_OR_RETURN(const at::Tensor expected, file.Get(absl::StrCat("logits.", i)));
    if (static_cast<int64_t>(logits.size()) != expected.numel()) {
      return absl::DataLossError(absl::StrCat(oracle.name, ": ", logits.size(),
                                              " logits, the oracle has ", expected.numel()));
    }
    for (size_t j = 0; j < logits.size(); ++j) {
      worst.Take(std::abs(logits[j] - expected.const_data_ptr<float>()[j]),
                 absl::StrCat(oracle.name, " prompt ", i));
    }
  }
  return worst;
}

struct Agreement {
  int64_t equal = 0;
  int64_t all = 0;
};

absl::StatusOr<Agreement> CompareGreedy(const Oracle& oracle, TorchRunner& runner) {
  const CancelToken cancel;
  evaluate::Usage usage;
  std::vector<GreedyRequest> requests;
  Sequences expected;
  for (size_t i = 0; i < oracle.prompts.size(); ++i) {
    const json& generated = oracle.expected["generated"][i];
    if (!generated.is_null()) {
      requests.push_back({oracle.prompts[i], oracle.expected["new_tokens"].get<int>(), {4}});
      expected.push_back(generated.get<std::vector<int32_t>>());
    }
  }
  RWKU_ASSIGN_OR_RETURN(
      const Sequences tokens,
      GenerateGreedy(runner, requests, {.caches = {.bytes = kCacheBytes}}, nullptr, cancel, usage));
  Agreement agreement;
  agreement.all = static_cast<int64_t>(expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    agreement.equal += tokens[i] == expected[i] ? 1 : 0;
  }
  return agreement;
}

struct ScoreDifference {
  Worst worst;
  double sum = 0;
  int64_t tokens = 0;
};

absl::Status CompareScores(const Oracle& oracle, TorchRunner& runner, ScoreDifference* result) {
  const CancelToken cancel;
  evaluate::Usage usage;
  std::vector<ScoreQuery> queries;
  for (const std::vector<int32_t>& prompt : oracle.prompts) {
    queries.push_back({prompt, 1, {}, queries.size()});
  }
  RWKU_ASSIGN_OR_RETURN(
      const auto scores,
      ScoreTokens(runner, queries, queries.size(), {.bytes = kCacheBytes}, nullptr, cancel, usage));
  for (size_t i = 0; i < scores.size(); ++i) {
    const json& expected = oracle.expected["scores"][i]["log_probabilities"];
    if (expected.size() != scores[i].size()) {
      return absl::DataLossError(absl::StrCat(oracle.name, " prompt ", i, ": ", scores[i].size(),
                                              " scores, the oracle has ", expected.size()));
    }
    for (size_t t = 0; t < scores[i].size(); ++t) {
      const double difference = std::abs(scores[i][t].log_probability - expected[t].get<double>());
      result->worst.Take(difference, absl::StrCat(oracle.name, " prompt ", i, " token ", t));
      result->sum += difference;
      ++result->tokens;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckModels(const std::filesystem::path& models, at::Device device,
                         at::ScalarType dtype, Figures& figures) {
  Worst logits;
  Agreement greedy;
  ScoreDifference scores;
  for (const char* const name : kModels) {
    RWKU_ASSIGN_OR_RETURN(const Oracle oracle, ReadOracle(models, name));
    RWKU_ASSIGN_OR_RETURN(const auto model, engine::LoadCausalLm(oracle.folder, device, dtype));
    TorchRunner runner(*model, {}, kCacheBytes);
    RWKU_ASSIGN_OR_RETURN(const Worst worst, CompareLogits(oracle, runner));
    logits.Take(worst.value, worst.where);
    RWKU_ASSIGN_OR_RETURN(const Agreement agreement, CompareGreedy(oracle, runner));
    greedy.equal += agreement.equal;
    greedy.all += agreement.all;
    RWKU_RETURN_IF_ERROR(CompareScores(oracle, runner, &scores));
  }
  const double mean = scores.sum / static_cast<double>(std::max<int64_t>(scores.tokens, 1));
  figures["models"] = std::size(kModels);
  figures["largest_logit_difference"] = logits.value;
  figures["greedy_equal"] = greedy.equal;
  figures["greedy_all"] = greedy.all;
  figures["scored_tokens"] = scores.tokens;
  figures["largest_score_difference"] = scores.worst.value;
  figures["mean_score_difference"] = mean;
  if (dtype == at::kFloat) {
    if (!(logits.value <= kFloatTolerance)) {
      return absl::DataLossError(absl::StrCat("a logit differs by ", logits.value, " (",
                                              logits.where, "), allowed are ", kFloatTolerance));
    }
    if (greedy.equal != greedy.all) {
      return absl::DataLossError(absl::StrCat(greedy.all - greedy.equal, " of ", greedy.all,
                                              " continuations are not transformers'"));
    }
    if (!(scores.worst.value <= kFloatTolerance)) {
      return absl::DataLossError(absl::StrCat("a score differs by ", scores.worst.value, " (",
                                              scores.worst.where, "), allowed are ",
                                              kFloatTolerance));
    }
  } else if (!(mean <= kBfloatMean)) {
    return absl::DataLossError(absl::StrCat("log-probabilities differ from float32 by ", mean,
                                            " in the mean, allowed are ", kBfloatMean));
  }
  return absl::OkStatus();
}

// Continuations and scores of some sequences alone and among 353.
absl::Status CheckCompany(const std::filesystem::path& models, at::Device device,
                          at::ScalarType dtype, Figures& figures) {
  const CancelToken cancel;
  evaluate::Usage usage;
  RWKU_ASSIGN_OR_RETURN(const auto model, engine::LoadCausalLm(models / kModels[0], device, dtype));
  TorchRunner runner(*model, {}, kCacheBytes);
  const int64_t vocabulary = model->config().vocab_size;
  Random random(1, "company");
  std::vector<GreedyRequest> requests;
  std::vector<ScoreQuery> queries;
  for (size_t i = 0; i < kBatch; ++i) {
    std::vector<int32_t> prompt(20 + random.Below(40));
    for (int32_t& token : prompt) {
      token = static_cast<int32_t>(random.Below(static_cast<uint64_t>(vocabulary)));
    }
    requests.push_back({prompt, 16, {}});
    queries.push_back({prompt, 1, {}, i});
  }
  const auto generate = [&](absl::Span<const GreedyRequest> some) {
    return GenerateGreedy(runner, some,
                          {.max_batch = static_cast<int>(kBatch), .caches = {.bytes = kCacheBytes}},
                          nullptr, cancel, usage);
  };
  const auto score = [&](absl::Span<const ScoreQuery> some) {
    return ScoreTokens(runner, some, some.size(), {.bytes = kCacheBytes}, nullptr, cancel, usage);
  };
  RWKU_ASSIGN_OR_RETURN(const Sequences together, generate(requests));
  RWKU_ASSIGN_OR_RETURN(const auto scores_together, score(queries));
  Agreement texts;
  Agreement bits;
  for (size_t i = 0; i < kAlone; ++i) {
    RWKU_ASSIGN_OR_RETURN(const Sequences alone, generate({&requests[i], 1}));
    texts.equal += alone[0] == together[i] ? 1 : 0;
    ++texts.all;
    ScoreQuery query = queries[i];
    query.request = 0;
    RWKU_ASSIGN_OR_RETURN(const auto scores_alone, score({&query, 1}));
    for (size_t t = 0; t < scores_alone[0].size(); ++t) {
      bits.equal += scores_alone[0][t] == scores_together[i][t] ? 1 : 0;
      ++bits.all;
    }
  }
  figures["batch"] = kBatch;
  figures["texts_equal"] = texts.equal;
  figures["texts_all"] = texts.all;
  figures["scores_bit_equal"] = bits.equal;
  figures["scores_all"] = bits.all;
  // In float32 no rounding is large enough to change a word; TorchRunner promises no bits.
  if (dtype == at::kFloat && texts.equal != texts.all) {
    return absl::DataLossError(absl::StrCat(texts.all - texts.equal, " of ", texts.all,
                                            " continuations depend on the others in the batch"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Stage> ModelChecks(const std::filesystem::path& models, at::Device device,
                               const std::string& skipped) {
  std::vector<Stage> stages;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const std::string suffix = dtype == at::kFloat ? "float32" : "bfloat16";
    stages.push_back({absl::StrCat("models-", suffix), skipped, [=](Figures& figures) {
                        return CheckModels(models, device, dtype, figures);
                      }});
    stages.push_back({absl::StrCat("batch-1-against-353-", suffix), skipped, [=](Figures& figures) {
                        return CheckCompany(models, device, dtype, figures);
                      }});
  }
  return stages;
}

}  // namespace rwku::gpu_check
