#include "worker/job/sharded_language_model.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/job/answer_bytes.h"
#include "worker/job/content_digest.h"

namespace rwku::job {
namespace {

using evaluate::Usage;

// What a rank has to say of its part of a call.
template <typename Answer>
struct Part {
  std::string asked;  // digest of all requests of the call
  absl::Status status;
  std::vector<Answer> answers;
  Usage used;
};

template <typename Answer>
std::string Write(const Part<Answer>& part) {
  AnswerWriter writer;
  writer.Put(part.asked);
  writer.Put(static_cast<int64_t>(part.status.code()));
  writer.Put(std::string(part.status.message()));
  const std::optional<size_t> request =
      part.status.ok() ? std::nullopt : evaluate::RequestOf(part.status);
  writer.Put(request.has_value() ? static_cast<int64_t>(*request) : int64_t{-1});
  writer.Put(part.used.prompt_tokens);
  writer.Put(part.used.computed_prompt_tokens);
  writer.Put(part.used.generated_tokens);
  writer.Put(part.answers);
  return std::move(writer).Take();
}

template <typename Answer>
Part<Answer> Read(const std::string& bytes) {
  AnswerReader reader(bytes);
  Part<Answer> part;
  part.asked = reader.Get<std::string>();
  const auto code = reader.Get<int64_t>();
  const auto message = reader.Get<std::string>();
  const auto request = reader.Get<int64_t>();
  part.status = absl::Status(static_cast<absl::StatusCode>(code), message);
  if (!part.status.ok() && request >= 0) {
    part.status = evaluate::RequestError(static_cast<size_t>(request), part.status);
  }
  part.used.prompt_tokens = reader.Get<int64_t>();
  part.used.computed_prompt_tokens = reader.Get<int64_t>();
  part.used.generated_tokens = reader.Get<int64_t>();
  part.answers = reader.Get<std::vector<Answer>>();
  if (!reader.complete()) {
    part.status = absl::InternalError(
        absl::StrCat("answers of a rank, ", bytes.size(), " bytes, are not of this build's form"));
  }
  return part;
}

}  // namespace

template <typename Answer, typename Request, typename Ask>
absl::StatusOr<std::vector<Answer>> ShardedLanguageModel::Share(
    absl::Span<const Request> requests, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, const Ask& ask) {
  const size_t total = requests.size();
  const auto ranks = static_cast<size_t>(gang_.world_size());
  const auto rank = static_cast<size_t>(gang_.rank());
  const size_t begin = total * rank / ranks;
  const size_t count = total * (rank + 1) / ranks - begin;
  // Ranks go about as fast as each other: what is known of one tells of all.
  const evaluate::ProgressCallback scaled = [&](size_t done, size_t /*of_this_rank*/) {
    if (progress && done < count) {
      progress(std::min(total, done * ranks), total);
    }
  };
  const Usage before = own_.usage();
  Part<Answer> part;
  part.asked = DigestOf(requests);
  if (count > 0) {
    absl::StatusOr<std::vector<Answer>> answers = ask(requests.subspan(begin, count), scaled);
    RWKU_RETURN_IF_ERROR(cancel.Check());
    part.status = answers.status();
    if (answers.ok()) {
      part.answers = *std::move(answers);
    } else if (const auto request = evaluate::RequestOf(part.status); request.has_value()) {
      part.status = evaluate::RequestError(begin + *request, part.status);
    }
  }
  const Usage after = own_.usage();
  part.used = {after.prompt_tokens - before.prompt_tokens,
               after.computed_prompt_tokens - before.computed_prompt_tokens,
               after.generated_tokens - before.generated_tokens};
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> all, gang_.AllGather(Write(part), cancel));
  std::vector<Answer> answers;
  for (const std::string& bytes : all) {
    Part<Answer> one = Read<Answer>(bytes);
    if (one.asked != part.asked) {
      return absl::UnavailableError(absl::StrCat(
          "a rank of the gang asks its model other questions than this one, of ", total, " here"));
    }
    RWKU_RETURN_IF_ERROR(one.status);
    usage_.prompt_tokens += one.used.prompt_tokens;
    usage_.computed_prompt_tokens += one.used.computed_prompt_tokens;
    usage_.generated_tokens += one.used.generated_tokens;
    answers.insert(answers.end(), std::make_move_iterator(one.answers.begin()),
                   std::make_move_iterator(one.answers.end()));
  }
  if (answers.size() != total) {
    return absl::InternalError(
        absl::StrCat("the ranks gave ", answers.size(), " answers to ", total, " requests"));
  }
  if (progress && total > 0) {
    progress(total, total);
  }
  return answers;
}

absl::StatusOr<std::vector<std::string>> ShardedLanguageModel::Generate(
    absl::Span<const evaluate::GenerateRequest> requests, const evaluate::PromptOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  return Share<std::string>(requests, progress, cancel, [&](auto own, const auto& scaled) {
    return own_.Generate(own, options, scaled, cancel);
  });
}

absl::StatusOr<std::vector<std::string>> ShardedLanguageModel::Sample(
    absl::Span<const evaluate::SampleRequest> requests, const evaluate::PromptOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  return Share<std::string>(requests, progress, cancel, [&](auto own, const auto& scaled) {
    return own_.Sample(own, options, scaled, cancel);
  });
}

absl::StatusOr<std::vector<std::vector<evaluate::ContinuationScores>>>
ShardedLanguageModel::ScoreContinuations(absl::Span<const evaluate::ContinuationRequest> requests,
                                         const evaluate::PromptOptions& options,
                                         const evaluate::ProgressCallback& progress,
                                         const CancelToken& cancel) {
  return Share<std::vector<evaluate::ContinuationScores>>(
      requests, progress, cancel, [&](auto own, const auto& scaled) {
        return own_.ScoreContinuations(own, options, scaled, cancel);
      });
}

absl::StatusOr<std::vector<std::vector<float>>> ShardedLanguageModel::ScoreNextTokens(
    absl::Span<const evaluate::NextTokenRequest> requests, const evaluate::PromptOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  return Share<std::vector<float>>(requests, progress, cancel, [&](auto own, const auto& scaled) {
    return own_.ScoreNextTokens(own, options, scaled, cancel);
  });
}

absl::StatusOr<std::vector<evaluate::TokenScores>> ShardedLanguageModel::ScoreTexts(
    absl::Span<const std::string> texts, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel) {
  return Share<evaluate::TokenScores>(texts, progress, cancel, [&](auto own, const auto& scaled) {
    return own_.ScoreTexts(own, scaled, cancel);
  });
}

}  // namespace rwku::job
