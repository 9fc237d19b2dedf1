#include "worker/engine/torch_language_model.h"

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/sample.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/device_memory.h"

namespace rwku::engine {

namespace {

using evaluate::ChatPrompt;
using evaluate::ContinuationRequest;
using evaluate::ContinuationScores;
using evaluate::GenerateRequest;
using evaluate::NextTokenRequest;
using evaluate::ProgressCallback;
using evaluate::PromptOptions;
using evaluate::RequestError;
using evaluate::SampleRequest;
using evaluate::TokenScores;

constexpr size_t kNoQuery = std::numeric_limits<size_t>::max();

// As the reference joins a prompt and what follows it.
std::string JoinedApart(absl::string_view text, absl::string_view next) {
  const bool is_apart = absl::EndsWith(text, "\n") || absl::EndsWith(text, " ");
  return absl::StrCat(text, is_apart ? "" : " ", next);
}

// Some templates refuse a system turn, others leave it out without a word.
absl::Status CheckSystemTurn(absl::string_view system,
                             const absl::StatusOr<std::string>& templated) {
  if (!templated.ok()) {
    return absl::Status(templated.status().code(),
                        absl::StrCat("the model's chat template does not take a system turn: ",
                                     templated.status().message()));
  }
  if (!absl::StrContains(*templated, absl::StripAsciiWhitespace(system))) {
    return absl::InvalidArgumentError(
        "the model's chat template leaves the system turn out, which this prompt needs");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> TorchLanguageModel::TextOf(const ChatPrompt& prompt) const {
  std::vector<text::ChatMessage> turns;
  if (!prompt.system.empty()) {
    turns.push_back({"system", prompt.system});
  }
  turns.push_back({"user", prompt.user});
  absl::StatusOr<std::string> templated =
      resident_.tokenizer->ApplyChatTemplate(turns, /*add_generation_prompt=*/true);
  if (!prompt.system.empty()) {
    RWKU_RETURN_IF_ERROR(CheckSystemTurn(prompt.system, templated));
  }
  RWKU_ASSIGN_OR_RETURN(std::string text, std::move(templated));
  if (prompt.separate_prefix && !prompt.assistant_prefix.empty()) {
    return JoinedApart(text, prompt.assistant_prefix);
  }
  return text + prompt.assistant_prefix;
}

absl::StatusOr<std::vector<int32_t>> TorchLanguageModel::Encode(absl::string_view prompt,
                                                                bool single_bos) const {
  RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                        resident_.tokenizer->Encode(prompt, /*add_special_tokens=*/true));
  const std::optional<int32_t> bos = resident_.tokenizer->bos_id();
  if (single_bos && bos && ids.size() >= 2 && ids[0] == *bos && ids[1] == *bos) {
    ids.erase(ids.begin());
  }
  return ids;
}

absl::StatusOr<std::vector<int32_t>> TorchLanguageModel::Encode(const ChatPrompt& prompt,
                                                                bool single_bos) const {
  RWKU_ASSIGN_OR_RETURN(const std::string text, TextOf(prompt));
  return Encode(text, single_bos);
}

absl::StatusOr<TorchLanguageModel::Ready> TorchLanguageModel::GetReady() {
  if (!resident_.runner) {
    RWKU_RETURN_IF_ERROR(CatchTorch([&] { return MakeRunner(); }));
  }
  const InferencePlan& plan = resident_.inference;
  return Ready{*resident_.runner,
               plan.decode_batch,
               {.bytes = plan.kv_bytes,
                .share_prefixes = options_.share_prefixes,
                .pass_tokens = plan.prefill_tokens}};
}

absl::Status TorchLanguageModel::MakeRunner() {
  const CausalLm& model = *resident_.model;
  const bool on_host = model.device().is_cpu();
  InferenceFacts facts;
  facts.config = model.config();
  facts.on_gpu = model.device().is_cuda();
  // The processor's runner computes in float32 whatever the weights are stored in.
  facts.compute_bytes = on_host ? 4 : static_cast<int>(c10::elementSize(model.compute_dtype()));
  facts.kv_bytes = options_.cache_bytes;
  facts.decode_batch = options_.decode_batch;
  facts.prefill_tokens = options_.prefill_tokens;
  std::unique_ptr<Runner> runner;
  if (on_host) {
    // Its copy of the weights is there before what is left is shared out.
    runner = std::make_unique<HostRunner>(model, resident_.steering);
  }
  const DeviceMemory memory = ReadDeviceMemory(model.device());
  facts.available_bytes = memory.available_bytes;
  facts.device_bytes = memory.total_bytes;
  RWKU_ASSIGN_OR_RETURN(resident_.inference, PlanInference(facts));
  if (!on_host) {
    runner = std::make_unique<TorchRunner>(model, resident_.steering, resident_.inference.kv_bytes);
  }
  resident_.runner = std::move(runner);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::vector<TokenScore>>> TorchLanguageModel::Score(
    absl::Span<const ScoreQuery> queries, size_t requests, const ProgressCallback& progress,
    const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(const Ready ready, GetReady());
  return ScoreTokens(ready.runner, queries, requests, ready.caches, progress, cancel,
                     resident_.usage);
}

absl::StatusOr<std::vector<std::string>> TorchLanguageModel::Generate(
    absl::Span<const GenerateRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  std::vector<GreedyRequest> greedy;
  greedy.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    auto ids = Encode(requests[i].prompt, options.single_bos);
    if (!ids.ok()) {
      return RequestError(i, ids.status());
    }
    greedy.push_back({*std::move(ids), requests[i].max_new_tokens,
                      requests[i].stop_at_end_of_turn
                          ? resident_.tokenizer->end_ids()
                          : std::vector<int32_t>{resident_.tokenizer->eos_id()}});
  }
  RWKU_ASSIGN_OR_RETURN(const Ready ready, GetReady());
  const GreedyOptions greedy_options{ready.decode_batch, ready.caches};
  RWKU_ASSIGN_OR_RETURN(const auto outputs, GenerateGreedy(ready.runner, greedy, greedy_options,
                                                           progress, cancel, resident_.usage));
  std::vector<std::string> texts;
  texts.reserve(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto decoded = resident_.tokenizer->Decode(outputs[i]);
    if (!decoded.ok()) {
      return RequestError(i, decoded.status());
    }
    texts.push_back(*std::move(decoded));
  }
  return texts;
}

absl::StatusOr<std::vector<std::string>> TorchLanguageModel::Sample(
    absl::Span<const SampleRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  std::vector<DecodeRequest> decode;
  std::vector<Sampling> samplings;
  decode.reserve(requests.size());
  samplings.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const SampleRequest& request = requests[i];
    auto ids = Encode(request.prompt, options.single_bos);
    if (!ids.ok()) {
      return RequestError(i, ids.status());
    }
    decode.push_back({*std::move(ids), request.max_new_tokens, resident_.tokenizer->end_ids()});
    samplings.push_back({request.temperature, request.top_p, request.seed, request.stream});
  }
  RWKU_ASSIGN_OR_RETURN(const Ready ready, GetReady());
  const DecodeOptions decode_options{ready.decode_batch, ready.caches};
  RWKU_ASSIGN_OR_RETURN(const auto outputs,
                        GenerateSampled(ready.runner, decode, samplings, decode_options, progress,
                                        cancel, resident_.usage));
  std::vector<std::string> texts;
  texts.reserve(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto text = DecodeAfter(decode[i].prompt, outputs[i]);
    if (!text.ok()) {
      return RequestError(i, text.status());
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

absl::StatusOr<std::string> TorchLanguageModel::DecodeAfter(
    const std::vector<int32_t>& prompt, const std::vector<int32_t>& tokens) const {
  std::vector<int32_t> all = prompt;
  all.insert(all.end(), tokens.begin(), tokens.end());
  RWKU_ASSIGN_OR_RETURN(const std::string before, resident_.tokenizer->Decode(prompt));
  RWKU_ASSIGN_OR_RETURN(const std::string whole, resident_.tokenizer->Decode(all));
  if (absl::StartsWith(whole, before)) {
    return whole.substr(before.size());
  }
  return resident_.tokenizer->Decode(tokens);
}

absl::StatusOr<std::vector<size_t>> TorchLanguageModel::AddContinuations(
    const ContinuationRequest& request, bool single_bos, size_t number,
    std::vector<ScoreQuery>& queries) const {
  RWKU_ASSIGN_OR_RETURN(const std::string prompt, TextOf(request.prompt));
  RWKU_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt_ids, Encode(prompt, single_bos));
  if (prompt_ids.empty()) {
    return absl::InvalidArgumentError("the prompt has no tokens; at least one is needed");
  }
  std::map<absl::string_view, size_t> query_of;
  std::vector<size_t> numbers;
  for (const std::string& continuation : request.continuations) {
    const auto [found, is_new] = query_of.try_emplace(continuation, kNoQuery);
    if (is_new) {
      RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                            Encode(JoinedApart(prompt, continuation), single_bos));
      if (ids.size() > prompt_ids.size()) {
        // Nothing comes after the last token: it is scored and never computed.
        const int32_t last = ids.back();
        ids.pop_back();
        found->second = queries.size();
        const size_t length = ids.size() + 1;
        queries.push_back({std::move(ids), prompt_ids.size(), {last}, number, length});
      }
    }
    numbers.push_back(found->second);
  }
  return numbers;
}

absl::StatusOr<std::vector<std::vector<ContinuationScores>>> TorchLanguageModel::ScoreContinuations(
    absl::Span<const ContinuationRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  std::vector<ScoreQuery> queries;
  std::vector<std::vector<size_t>> numbers;  // of the query of every continuation
  for (size_t i = 0; i < requests.size(); ++i) {
    auto added = AddContinuations(requests[i], options.single_bos, i, queries);
    if (!added.ok()) {
      return RequestError(i, added.status());
    }
    numbers.push_back(*std::move(added));
  }
  RWKU_ASSIGN_OR_RETURN(const auto scores, Score(queries, requests.size(), progress, cancel));
  std::vector<std::vector<ContinuationScores>> answers(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    for (const size_t query : numbers[i]) {
      ContinuationScores& answer = answers[i].emplace_back();
      if (query == kNoQuery) {
        continue;
      }
      for (const TokenScore& score : scores[query]) {
        answer.log_probabilities.push_back(score.log_probability);
        answer.is_most_likely.push_back(score.is_most_likely);
      }
    }
  }
  return answers;
}

absl::StatusOr<ScoreQuery> TorchLanguageModel::NextTokenQuery(const NextTokenRequest& request,
                                                              bool single_bos) const {
  ScoreQuery query;
  RWKU_ASSIGN_OR_RETURN(query.context, Encode(request.prompt, single_bos));
  query.first = query.context.size();
  for (const std::string& candidate : request.candidates) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          resident_.tokenizer->Encode(candidate, /*add_special_tokens=*/false));
    if (ids.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("candidate '", candidate, "' has no tokens; at least one is needed"));
    }
    query.next.push_back(ids.back());
  }
  return query;
}

absl::StatusOr<std::vector<std::vector<float>>> TorchLanguageModel::ScoreNextTokens(
    absl::Span<const NextTokenRequest> requests, const PromptOptions& options,
    const ProgressCallback& progress, const CancelToken& cancel) {
  std::vector<ScoreQuery> queries;
  queries.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    auto query = NextTokenQuery(requests[i], options.single_bos);
    if (!query.ok()) {
      return RequestError(i, query.status());
    }
    query->request = i;
    queries.push_back(*std::move(query));
  }
  RWKU_ASSIGN_OR_RETURN(const auto scores, Score(queries, requests.size(), progress, cancel));
  std::vector<std::vector<float>> answers(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    for (const TokenScore& score : scores[i]) {
      answers[i].push_back(score.log_probability);
    }
  }
  return answers;
}

absl::StatusOr<std::vector<TokenScores>> TorchLanguageModel::ScoreTexts(
    absl::Span<const std::string> texts, const ProgressCallback& progress,
    const CancelToken& cancel) {
  std::vector<ScoreQuery> queries;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto ids = resident_.tokenizer->Encode(texts[i], /*add_special_tokens=*/true);
    if (!ids.ok()) {
      return RequestError(i, ids.status());
    }
    if (ids->size() < 2) {
      continue;
    }
    const int32_t last = ids->back();
    ids->pop_back();
    const size_t length = ids->size() + 1;
    queries.push_back({*std::move(ids), 1, {last}, i, length});
  }
  RWKU_ASSIGN_OR_RETURN(const auto scores, Score(queries, texts.size(), progress, cancel));
  std::vector<TokenScores> answers(texts.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    TokenScores& answer = answers[queries[q].request];
    for (const TokenScore& score : scores[q]) {
      answer.log_probabilities.push_back(score.log_probability);
      answer.means.push_back(score.mean);
      answer.variances.push_back(score.variance);
    }
  }
  return answers;
}

}  // namespace rwku::engine
