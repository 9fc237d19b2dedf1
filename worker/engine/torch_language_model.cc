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
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/device_memory.h"

namespace rwku::engine {

namespace {

using evaluate::Answers;
using evaluate::ChatPrompt;
using evaluate::ContinuationRequest;
using evaluate::ContinuationScores;
using evaluate::GenerateRequest;
using evaluate::NextTokenRequest;
using evaluate::ProgressCallback;
using evaluate::PromptOptions;
using evaluate::Questions;
using evaluate::RequestError;
using evaluate::SampleRequest;
using evaluate::TokenScores;

constexpr size_t kNoQuery = std::numeric_limits<size_t>::max();

absl::Span<const TokenScore> ScoresOf(const TokenAnswers& answers, size_t query) {
  return query == kNoQuery ? absl::Span<const TokenScore>() : answers.scores[query];
}

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

absl::StatusOr<DecodeRequest> TorchLanguageModel::ToDecode(const GenerateRequest& request,
                                                           bool single_bos) const {
  RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> ids, Encode(request.prompt, single_bos));
  return DecodeRequest{std::move(ids), request.max_new_tokens,
                       request.stop_at_end_of_turn
                           ? resident_.tokenizer->end_ids()
                           : std::vector<int32_t>{resident_.tokenizer->eos_id()}};
}

absl::StatusOr<DecodeRequest> TorchLanguageModel::ToDecode(const SampleRequest& request,
                                                           bool single_bos) const {
  RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> ids, Encode(request.prompt, single_bos));
  return DecodeRequest{std::move(ids), request.max_new_tokens, resident_.tokenizer->end_ids(),
                       Sampling{request.temperature, request.top_p, request.seed, request.stream}};
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

absl::StatusOr<std::vector<size_t>> TorchLanguageModel::AddQueries(
    const ContinuationRequest& request, bool single_bos, std::vector<ScoreQuery>& queries) const {
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
        queries.push_back({std::move(ids), prompt_ids.size(), {last}, 0, length});
      }
    }
    numbers.push_back(found->second);
  }
  return numbers;
}

absl::StatusOr<std::vector<size_t>> TorchLanguageModel::AddQueries(
    const NextTokenRequest& request, bool single_bos, std::vector<ScoreQuery>& queries) const {
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
  queries.push_back(std::move(query));
  return std::vector<size_t>{queries.size() - 1};
}

absl::StatusOr<std::vector<size_t>> TorchLanguageModel::AddQueries(
    const std::string& text, bool /*single_bos*/, std::vector<ScoreQuery>& queries) const {
  RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                        resident_.tokenizer->Encode(text, /*add_special_tokens=*/true));
  if (ids.size() < 2) {
    return std::vector<size_t>{kNoQuery};
  }
  const int32_t last = ids.back();
  ids.pop_back();
  const size_t length = ids.size() + 1;
  queries.push_back({std::move(ids), 1, {last}, 0, length});
  return std::vector<size_t>{queries.size() - 1};
}

absl::StatusOr<TorchLanguageModel::Asked> TorchLanguageModel::Encode(const Questions& questions,
                                                                     bool single_bos) const {
  Asked asked;
  const auto add_decode = [&](const auto& requests) -> absl::Status {
    for (const auto& request : requests) {
      auto decode = ToDecode(request, single_bos);
      if (!decode.ok()) {
        return RequestError(asked.decode.size(), decode.status());
      }
      asked.decode.push_back(*std::move(decode));
    }
    return absl::OkStatus();
  };
  const auto add_queries = [&](const auto& requests) -> absl::Status {
    for (const auto& request : requests) {
      const size_t number = asked.queries_of.size();
      const size_t first = asked.queries.size();
      auto added = AddQueries(request, single_bos, asked.queries);
      if (!added.ok()) {
        return RequestError(asked.decode.size() + number, added.status());
      }
      for (size_t query = first; query < asked.queries.size(); ++query) {
        asked.queries[query].request = number;
      }
      asked.queries_of.push_back(*std::move(added));
    }
    return absl::OkStatus();
  };
  RWKU_RETURN_IF_ERROR(add_decode(questions.generate));
  RWKU_RETURN_IF_ERROR(add_decode(questions.sample));
  RWKU_RETURN_IF_ERROR(add_queries(questions.continuations));
  RWKU_RETURN_IF_ERROR(add_queries(questions.next_tokens));
  RWKU_RETURN_IF_ERROR(add_queries(questions.texts));
  return asked;
}

absl::StatusOr<Answers> TorchLanguageModel::Decode(const Questions& questions, const Asked& asked,
                                                   const TokenAnswers& answers) const {
  Answers decoded;
  for (size_t i = 0; i < asked.decode.size(); ++i) {
    const bool is_greedy = i < questions.generate.size();
    auto text = is_greedy ? resident_.tokenizer->Decode(answers.tokens[i])
                          : DecodeAfter(asked.decode[i].prompt, answers.tokens[i]);
    if (!text.ok()) {
      return RequestError(i, text.status());
    }
    (is_greedy ? decoded.generate : decoded.sample).push_back(*std::move(text));
  }
  auto queries_of = asked.queries_of.begin();
  for (size_t i = 0; i < questions.continuations.size(); ++i) {
    std::vector<ContinuationScores>& scores = decoded.continuations.emplace_back();
    for (const size_t query : *queries_of++) {
      ContinuationScores& one = scores.emplace_back();
      for (const TokenScore& score : ScoresOf(answers, query)) {
        one.log_probabilities.push_back(score.log_probability);
        one.is_most_likely.push_back(score.is_most_likely);
      }
    }
  }
  for (size_t i = 0; i < questions.next_tokens.size(); ++i) {
    std::vector<float>& scores = decoded.next_tokens.emplace_back();
    for (const TokenScore& score : ScoresOf(answers, (queries_of++)->front())) {
      scores.push_back(score.log_probability);
    }
  }
  for (size_t i = 0; i < questions.texts.size(); ++i) {
    TokenScores& scores = decoded.texts.emplace_back();
    for (const TokenScore& score : ScoresOf(answers, (queries_of++)->front())) {
      scores.log_probabilities.push_back(score.log_probability);
      scores.means.push_back(score.mean);
      scores.variances.push_back(score.variance);
    }
  }
  return decoded;
}

absl::StatusOr<Answers> TorchLanguageModel::Answer(const Questions& questions,
                                                   const PromptOptions& options,
                                                   const ProgressCallback& progress,
                                                   const CancelToken& cancel) {
  RWKU_ASSIGN_OR_RETURN(const Asked asked, Encode(questions, options.single_bos));
  RWKU_ASSIGN_OR_RETURN(const Ready ready, GetReady());
  RWKU_ASSIGN_OR_RETURN(
      const TokenAnswers answers,
      AnswerTokens(ready.runner,
                   {.decode = asked.decode,
                    .queries = asked.queries,
                    .scored_requests = asked.queries_of.size()},
                   {ready.decode_batch, ready.caches}, progress, cancel, resident_.usage));
  return Decode(questions, asked, answers);
}

}  // namespace rwku::engine
