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
#include "tools/gpu_check/worst.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/score/score.h"

namespace rwku::gpu_check {
namespace {

using engine::CausalLm;
using engine::DecodeRequest;
using engine::ScoreQuery;
using engine::TokenScore;
using engine::TorchRunner;
using nlohmann::json;
using Sequences = std::vector<std::vector<int32_t>>;

// One of each family, with grouped queries, windows, llama3's and longrope's rotations.
constexpr const char* kModels[] = {"gqa_tied",       "mqa_odd",   "llama3_8",
                                   "mistral_window", "phi3_long", "qwen2_window"};
constexpr int64_t kCacheBytes = int64_t{64} << 20;
// Between float32 on two devices, as sums of some hundred products may differ.
constexpr double kFloatTolerance = 1e-4;
// In bfloat16, of a logit, as a part of its prompt's largest; and of log-probabilities against
// float32, in the mean over all tokens of all prompts.
constexpr double kBfloatTolerance = 0.02;
constexpr double kBfloatMean = 0.05;
constexpr size_t kBatch = 353;  // generations of an evaluation
constexpr size_t kAlone = 24;

// What transformers gives in a dtype; scores are in float32.
struct Oracle {
  std::string name;
  std::filesystem::path folder;
  bool is_float = true;
  json expected;
  json generated;
  Sequences prompts;
};

absl::StatusOr<Oracle> ReadOracle(const std::filesystem::path& models, const char* name,
                                  at::ScalarType dtype) {
  Oracle oracle{name, models / name, dtype == at::kFloat, {}, {}, {}};
  RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(oracle.folder / "expected.json"));
  oracle.expected = json::parse(text);
  oracle.prompts = oracle.expected["prompts"].get<Sequences>();
  oracle.generated = oracle.expected["generated"];
  if (!oracle.is_float) {
    RWKU_ASSIGN_OR_RETURN(const std::string narrow,
                          ReadFile(oracle.folder / "expected_bfloat16.json"));
    oracle.generated = json::parse(narrow)["generated"];
  }
  return oracle;
}

absl::StatusOr<Worst> CompareLogits(const Oracle& oracle, TorchRunner& runner) {
  const CancelToken cancel;
  RWKU_ASSIGN_OR_RETURN(const engine::SafetensorsFile file,
                        engine::SafetensorsFile::Open(
                            oracle.folder / (oracle.is_float ? "expected.safetensors"
                                                             : "expected_bfloat16.safetensors")));
  if (!file.header().entries.contains("logits.0")) {
    return absl::NotFoundError(absl::StrCat(file.path().string(), ": no logits"));
  }
  Worst worst;
  for (size_t i = 0; file.header().entries.contains(absl::StrCat("logits.", i)); ++i) {
    const std::vector<int32_t>& prompt = oracle.prompts[i];
    const auto cache = runner.NewCache(static_cast<int64_t>(prompt.size()));
    RWKU_ASSIGN_OR_RETURN(const auto rows, runner.Forward({{cache.get(), prompt, 0}}, cancel));
    const std::vector<float> logits = runner.Logits(engine::AllOf(*rows));
    RWKU_ASSIGN_OR_RETURN(const at::Tensor stored, file.Get(absl::StrCat("logits.", i)));
    const at::Tensor expected = stored.to(at::kFloat).contiguous();
    if (static_cast<int64_t>(logits.size()) != expected.numel()) {
      return absl::DataLossError(absl::StrCat(oracle.name, ": ", logits.size(),
                                              " logits, the oracle has ", expected.numel()));
    }
    const auto* const values = expected.const_data_ptr<float>();
    double largest = 0;
    Worst difference;
    for (size_t j = 0; j < logits.size(); ++j) {
      largest = std::max<double>(largest, std::abs(values[j]));
      difference.Take(std::abs(logits[j] - values[j]), "");
    }
    worst.Take(oracle.is_float ? difference.value : difference.value / largest,
               absl::StrCat(oracle.name, " prompt ", i));
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
  std::vector<DecodeRequest> requests;
  Sequences expected;
  for (size_t i = 0; i < oracle.generated.size(); ++i) {
    const json& generated = oracle.generated[i];
    if (!generated.is_null()) {
      requests.push_back({oracle.prompts[i], oracle.expected["new_tokens"].get<int>(), {4}});
      expected.push_back(generated.get<std::vector<int32_t>>());
    }
  }
  RWKU_ASSIGN_OR_RETURN(
      const Sequences tokens,
      GenerateTokens(runner, requests, {.caches = {.bytes = kCacheBytes}}, nullptr, cancel, usage));
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
    RWKU_ASSIGN_OR_RETURN(const Oracle oracle, ReadOracle(models, name, dtype));
    RWKU_ASSIGN_OR_RETURN(const auto model, engine::LoadCausalLm(oracle.folder, device, dtype));
    TorchRunner runner(*model, {}, kCacheBytes);
    RWKU_ASSIGN_OR_RETURN(const Worst worst, CompareLogits(oracle, runner));
    logits.Take(worst.value, worst.of);
    RWKU_ASSIGN_OR_RETURN(const Agreement agreement, CompareGreedy(oracle, runner));
    greedy.equal += agreement.equal;
    greedy.all += agreement.all;
    RWKU_RETURN_IF_ERROR(CompareScores(oracle, runner, &scores));
  }
  const double mean = scores.sum / static_cast<double>(std::max<int64_t>(scores.tokens, 1));
  figures["models"] = std::size(kModels);
  const bool is_float = dtype == at::kFloat;
  figures[is_float ? "largest_logit_difference" : "largest_relative_logit_difference"] =
      logits.value;
  figures["greedy_equal"] = greedy.equal;
  figures["greedy_all"] = greedy.all;
  figures["scored_tokens"] = scores.tokens;
  figures["largest_score_difference"] = scores.worst.value;
  figures["mean_score_difference"] = mean;
  const double tolerance = is_float ? kFloatTolerance : kBfloatTolerance;
  if (!(logits.value <= tolerance)) {
    return absl::DataLossError(absl::StrCat("a logit differs by ", logits.value, " (", logits.of,
                                            "), allowed are ", tolerance));
  }
  if (!is_float) {
    // Continuations part at the first choice between tokens that are as good as equal.
    return mean <= kBfloatMean
               ? absl::OkStatus()
               : absl::DataLossError(absl::StrCat("log-probabilities differ from float32 by ", mean,
                                                  " in the mean, allowed are ", kBfloatMean));
  }
  if (greedy.equal != greedy.all) {
    return absl::DataLossError(absl::StrCat(greedy.all - greedy.equal, " of ", greedy.all,
                                            " continuations are not transformers'"));
  }
  if (!(scores.worst.value <= kFloatTolerance)) {
    return absl::DataLossError(absl::StrCat("a score differs by ", scores.worst.value, " (",
                                            scores.worst.of, "), allowed are ", kFloatTolerance));
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
  std::vector<DecodeRequest> requests;
  std::vector<ScoreQuery> queries;
  for (size_t i = 0; i < kBatch; ++i) {
    std::vector<int32_t> prompt(20 + random.Below(40));
    for (int32_t& token : prompt) {
      token = static_cast<int32_t>(random.Below(static_cast<uint64_t>(vocabulary)));
    }
    requests.push_back({prompt, 16, {}});
    queries.push_back({prompt, 1, {}, i});
  }
  const auto generate = [&](absl::Span<const DecodeRequest> some) {
    return GenerateTokens(runner, some,
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
