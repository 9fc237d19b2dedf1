// A LanguageModel whose answers a test writes down, and which remembers what it was asked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"

#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::evaluate {

class ScriptedModel final : public LanguageModel {
 public:
  absl::StatusOr<std::vector<std::string>> Generate(absl::Span<const GenerateRequest> requests,
                                                    const PromptOptions& options,
                                                    const ProgressCallback& progress,
                                                    const CancelToken& cancel) override {
    last_options = options;
    return Answer<std::string>(requests, progress, cancel, [&](const GenerateRequest& request) {
      generated.push_back(request);
      std::string answer = " \n";
      for (const auto& [part, reply] : replies) {
        if (absl::StrContains(request.prompt.user, part)) {
          answer = reply;
        }
      }
      return answer;
    });
  }

  absl::StatusOr<std::vector<std::string>> Sample(absl::Span<const SampleRequest> requests,
                                                  const PromptOptions& options,
                                                  const ProgressCallback& progress,
                                                  const CancelToken& cancel) override {
    last_options = options;
    return Answer<std::string>(requests, progress, cancel, [&](const SampleRequest& request) {
      sampled.push_back(request);
      std::string answer = " \n";
      for (const auto& [part, reply] : replies) {
        if (absl::StrContains(request.prompt.user, part)) {
          answer = reply;
        }
      }
      return answer;
    });
  }

  absl::StatusOr<std::vector<std::vector<ContinuationScores>>> ScoreContinuations(
      absl::Span<const ContinuationRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel) override {
    last_options = options;
    return Answer<std::vector<ContinuationScores>>(
        requests, progress, cancel, [&](const ContinuationRequest& request) {
          continued.push_back(request);
          std::vector<ContinuationScores> scores;
          for (const std::string& text : request.continuations) {
            ContinuationScores one = continuation;
            for (const auto& [choice, value] : likely) {
              if (choice == text) {
                one = {{value}, {true}};
              }
            }
            scores.push_back(std::move(one));
          }
          return scores;
        });
  }

  absl::StatusOr<std::vector<std::vector<float>>> ScoreNextTokens(
      absl::Span<const NextTokenRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel) override {
    last_options = options;
    return Answer<std::vector<float>>(requests, progress, cancel,
                                      [&](const NextTokenRequest& request) {
                                        next_asked.push_back(request);
                                        return next_tokens;
                                      });
  }

  absl::StatusOr<std::vector<TokenScores>> ScoreTexts(absl::Span<const std::string> texts,
                                                      const ProgressCallback& progress,
                                                      const CancelToken& cancel) override {
    return Answer<TokenScores>(texts, progress, cancel, [&](const std::string& text) {
      scored.push_back(text);
      return tokens;
    });
  }

  Usage usage() const override { return used; }

  // --- What it answers. ---
  std::vector<std::pair<std::string, std::string>> replies;  // to prompts that hold the first
  ContinuationScores continuation{{-1.0F, -3.0F}, {true, false}};
  std::vector<std::pair<std::string, float>> likely;  // continuations of one token
  std::vector<float> next_tokens = {-4.0F, -3.0F, -1.0F, -2.0F};
  TokenScores tokens{{-1.0F, -3.0F}, {-2.0F, -2.0F}, {1.0F, 4.0F}};
  // Every call that has a request of this number fails at it.
  std::optional<std::pair<size_t, absl::Status>> failing_request;
  absl::Status error;     // of every call
  bool drop_one = false;  // every call leaves out its last answer

  // --- What it was asked. ---
  int calls = 0;
  PromptOptions last_options;
  std::vector<GenerateRequest> generated;
  std::vector<SampleRequest> sampled;
  std::vector<ContinuationRequest> continued;
  std::vector<NextTokenRequest> next_asked;
  std::vector<std::string> scored;

 private:
  template <typename Reply, typename Requests, typename Ask>
  absl::StatusOr<std::vector<Reply>> Answer(const Requests& requests,
                                            const ProgressCallback& progress,
                                            const CancelToken& cancel, const Ask& ask) {
    ++calls;
    if (!error.ok()) {
      return error;
    }
    std::vector<Reply> answers;
    for (size_t i = 0; i < requests.size(); ++i) {
      if (const absl::Status status = cancel.Check(); !status.ok()) {
        return status;
      }
      if (failing_request && failing_request->first == i) {
        return RequestError(i, failing_request->second);
      }
      answers.push_back(ask(requests[i]));
      used.prompt_tokens += 10;
      used.computed_prompt_tokens += 4;
      progress(answers.size(), requests.size());
    }
    if (drop_one) {
      answers.pop_back();
    }
    return answers;
  }

  Usage used;
};

}  // namespace rwku::evaluate
