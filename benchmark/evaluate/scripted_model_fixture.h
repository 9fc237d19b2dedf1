// A LanguageModel whose answers a test writes down, and which remembers what it was asked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::evaluate {

class ScriptedModel final : public LanguageModel {
 public:
  absl::StatusOr<Answers> Answer(const Questions& questions, const PromptOptions& options,
                                 const ProgressCallback& progress,
                                 const CancelToken& cancel) override {
    ++calls;
    last_options = options;
    if (!error.ok()) {
      return error;
    }
    size_t done = 0;
    Answers answers;
    // Answers the requests of one kind by `ask`.
    const auto answer = [&](const auto& requests, auto& to, const auto& ask) -> absl::Status {
      for (const auto& request : requests) {
        RWKU_RETURN_IF_ERROR(cancel.Check());
        if (failing_request && failing_request->first == done) {
          return RequestError(done, failing_request->second);
        }
        to.push_back(ask(request));
        used.prompt_tokens += 10;
        used.computed_prompt_tokens += 4;
        ++done;
        if (progress) {
          progress(done, questions.size());
        }
      }
      if (drop_one && !to.empty()) {
        to.pop_back();
      }
      return absl::OkStatus();
    };
    RWKU_RETURN_IF_ERROR(
        answer(questions.generate, answers.generate, [&](const GenerateRequest& request) {
          generated.push_back(request);
          return ReplyTo(request.prompt);
        }));
    RWKU_RETURN_IF_ERROR(
        answer(questions.sample, answers.sample, [&](const SampleRequest& request) {
          sampled.push_back(request);
          return ReplyTo(request.prompt);
        }));
    RWKU_RETURN_IF_ERROR(answer(questions.continuations, answers.continuations,
                                [&](const ContinuationRequest& request) {
                                  continued.push_back(request);
                                  return ScoresOf(request);
                                }));
    RWKU_RETURN_IF_ERROR(
        answer(questions.next_tokens, answers.next_tokens, [&](const NextTokenRequest& request) {
          next_asked.push_back(request);
          return next_tokens;
        }));
    RWKU_RETURN_IF_ERROR(answer(questions.texts, answers.texts, [&](const std::string& text) {
      scored.push_back(text);
      return tokens;
    }));
    return answers;
  }

  Usage usage() const override { return used; }

  // --- What it answers. ---
  std::vector<std::pair<std::string, std::string>> replies;  // to prompts that hold the first
  ContinuationScores continuation{{-1.0F, -3.0F}, {true, false}};
  std::vector<std::pair<std::string, float>> likely;  // continuations of one token
  std::vector<float> next_tokens = {-4.0F, -3.0F, -1.0F, -2.0F};
  TokenScores tokens{{-1.0F, -3.0F}, {-2.0F, -2.0F}, {1.0F, 4.0F}};
  // Every call that has a request of this number (over all kinds) fails at it.
  std::optional<std::pair<size_t, absl::Status>> failing_request;
  absl::Status error;     // of every call
  bool drop_one = false;  // every call leaves out the last answer of each kind

  // --- What it was asked. ---
  int calls = 0;
  PromptOptions last_options;
  std::vector<GenerateRequest> generated;
  std::vector<SampleRequest> sampled;
  std::vector<ContinuationRequest> continued;
  std::vector<NextTokenRequest> next_asked;
  std::vector<std::string> scored;

 private:
  std::string ReplyTo(const ChatPrompt& prompt) const {
    std::string answer = " \n";
    for (const auto& [part, reply] : replies) {
      if (absl::StrContains(prompt.user, part)) {
        answer = reply;
      }
    }
    return answer;
  }

  std::vector<ContinuationScores> ScoresOf(const ContinuationRequest& request) const {
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
  }

  Usage used;
};

}  // namespace rwku::evaluate
