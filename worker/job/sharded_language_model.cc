#include "worker/job/sharded_language_model.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/job/answer_bytes.h"
#include "worker/job/content_digest.h"

namespace rwku::job {
namespace {

using evaluate::Answers;
using evaluate::Questions;
using evaluate::Usage;

// What a rank has to say of its part of a call.
struct Part {
  std::string asked;  // digest of all questions of the call
  absl::Status status;
  Answers answers;
  Usage used;
};

std::string Write(const Part& part) {
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
  writer.Put(part.answers.generate);
  writer.Put(part.answers.sample);
  writer.Put(part.answers.continuations);
  writer.Put(part.answers.next_tokens);
  writer.Put(part.answers.texts);
  return std::move(writer).Take();
}

Part Read(const std::string& bytes) {
  AnswerReader reader(bytes);
  Part part;
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
  part.answers.generate = reader.Get<decltype(part.answers.generate)>();
  part.answers.sample = reader.Get<decltype(part.answers.sample)>();
  part.answers.continuations = reader.Get<decltype(part.answers.continuations)>();
  part.answers.next_tokens = reader.Get<decltype(part.answers.next_tokens)>();
  part.answers.texts = reader.Get<decltype(part.answers.texts)>();
  if (!reader.complete()) {
    part.status = absl::InternalError(
        absl::StrCat("answers of a rank, ", bytes.size(), " bytes, are not of this build's form"));
  }
  return part;
}

// Digests have one length.
std::string DigestOfAll(const Questions& questions) {
  return absl::StrCat(DigestOf(questions.generate), DigestOf(questions.sample),
                      DigestOf(questions.continuations), DigestOf(questions.next_tokens),
                      DigestOf(questions.texts));
}

// The first request of rank `rank`, of `total`.
size_t BeginOf(size_t total, size_t rank, size_t ranks) { return total * rank / ranks; }

template <typename Request>
absl::Span<const Request> BlockOf(absl::Span<const Request> requests, size_t rank, size_t ranks) {
  const size_t begin = BeginOf(requests.size(), rank, ranks);
  return requests.subspan(begin, BeginOf(requests.size(), rank + 1, ranks) - begin);
}

Questions BlockOf(const Questions& all, size_t rank, size_t ranks) {
  return {.generate = BlockOf(all.generate, rank, ranks),
          .sample = BlockOf(all.sample, rank, ranks),
          .continuations = BlockOf(all.continuations, rank, ranks),
          .next_tokens = BlockOf(all.next_tokens, rank, ranks),
          .texts = BlockOf(all.texts, rank, ranks)};
}

size_t SizeOf(const Questions& questions, Questions::Kind kind) {
  switch (kind) {
    case Questions::Kind::kGenerate:
      return questions.generate.size();
    case Questions::Kind::kSample:
      return questions.sample.size();
    case Questions::Kind::kContinuations:
      return questions.continuations.size();
    case Questions::Kind::kNextTokens:
      return questions.next_tokens.size();
    case Questions::Kind::kTexts:
      return questions.texts.size();
  }
  return 0;
}

// The error of a rank's block as one of the whole call.
absl::Status InWhole(const Questions& all, const Questions& own, size_t rank, size_t ranks,
                     const absl::Status& status) {
  const std::optional<size_t> request = evaluate::RequestOf(status);
  if (!request.has_value() || *request >= own.size()) {
    return status;
  }
  Questions::Place place = own.PlaceOf(*request);
  place.index += BeginOf(SizeOf(all, place.kind), rank, ranks);
  return evaluate::RequestError(all.NumberOf(place), status);
}

template <typename Reply>
void Append(std::vector<Reply> part, std::vector<Reply>& all) {
  all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
}

absl::Status CheckCount(absl::string_view kind, size_t found, size_t expected) {
  if (found != expected) {
    return absl::InternalError(absl::StrCat("the ranks gave ", found, " answers to ", expected,
                                            " requests of kind ", kind));
  }
  return absl::OkStatus();
}

absl::Status CheckCounts(const Questions& questions, const Answers& answers) {
  RWKU_RETURN_IF_ERROR(CheckCount("generate", answers.generate.size(), questions.generate.size()));
  RWKU_RETURN_IF_ERROR(CheckCount("sample", answers.sample.size(), questions.sample.size()));
  RWKU_RETURN_IF_ERROR(
      CheckCount("continuations", answers.continuations.size(), questions.continuations.size()));
  RWKU_RETURN_IF_ERROR(
      CheckCount("next tokens", answers.next_tokens.size(), questions.next_tokens.size()));
  return CheckCount("texts", answers.texts.size(), questions.texts.size());
}

}  // namespace

absl::StatusOr<Answers> ShardedLanguageModel::Answer(const Questions& questions,
                                                     const evaluate::PromptOptions& options,
                                                     const evaluate::ProgressCallback& progress,
                                                     const CancelToken& cancel) {
  const size_t total = questions.size();
  const auto ranks = static_cast<size_t>(gang_.world_size());
  const auto rank = static_cast<size_t>(gang_.rank());
  const Questions own = BlockOf(questions, rank, ranks);
  // Ranks go about as fast as each other: what is known of one tells of all.
  const evaluate::ProgressCallback scaled = [&](size_t done, size_t /*of_this_rank*/) {
    if (progress && done < own.size()) {
      progress(std::min(total, done * ranks), total);
    }
  };
  const Usage before = own_.usage();
  Part part;
  part.asked = DigestOfAll(questions);
  if (own.size() > 0) {
    absl::StatusOr<Answers> answers = own_.Answer(own, options, scaled, cancel);
    RWKU_RETURN_IF_ERROR(cancel.Check());
    if (answers.ok()) {
      part.answers = *std::move(answers);
    } else {
      part.status = InWhole(questions, own, rank, ranks, answers.status());
    }
  }
  const Usage after = own_.usage();
  part.used = {after.prompt_tokens - before.prompt_tokens,
               after.computed_prompt_tokens - before.computed_prompt_tokens,
               after.generated_tokens - before.generated_tokens};
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> all, gang_.AllGather(Write(part), cancel));
  Answers answers;
  for (const std::string& bytes : all) {
    Part one = Read(bytes);
    if (one.asked != part.asked) {
      return absl::UnavailableError(absl::StrCat(
          "a rank of the gang asks its model other questions than this one, of ", total, " here"));
    }
    RWKU_RETURN_IF_ERROR(one.status);
    usage_.prompt_tokens += one.used.prompt_tokens;
    usage_.computed_prompt_tokens += one.used.computed_prompt_tokens;
    usage_.generated_tokens += one.used.generated_tokens;
    Append(std::move(one.answers.generate), answers.generate);
    Append(std::move(one.answers.sample), answers.sample);
    Append(std::move(one.answers.continuations), answers.continuations);
    Append(std::move(one.answers.next_tokens), answers.next_tokens);
    Append(std::move(one.answers.texts), answers.texts);
  }
  RWKU_RETURN_IF_ERROR(CheckCounts(questions, answers));
  if (progress && total > 0) {
    progress(total, total);
  }
  return answers;
}

}  // namespace rwku::job
