#include "worker/engine/score/score.h"

#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

using evaluate::AfterRequests;

// One pass of what is there to compute; none where all that was admitted has ended at once.
absl::Status Pass(Runner& runner, Decoding& decoding, Scoring& scoring, size_t decode_requests,
                  const CancelToken& cancel) {
  const auto steps = static_cast<int64_t>(decoding.active());
  std::vector<CachePiece> pieces;
  decoding.AddPieces(pieces);
  if (!decoding.has_waiting()) {
    RWKU_RETURN_IF_ERROR(AfterRequests(decode_requests, scoring.AddPieces(steps, pieces, cancel)));
  }
  if (pieces.empty()) {
    return absl::OkStatus();
  }
  RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner.Forward(pieces, cancel));
  if (steps > 0) {
    const std::vector<RowRef> all = AllOf(*rows);
    RWKU_RETURN_IF_ERROR(
        decoding.TakeRows(absl::MakeConstSpan(all).first(static_cast<size_t>(steps))));
  }
  return AfterRequests(decode_requests, scoring.TakeRows(*rows, steps));
}

}  // namespace

absl::StatusOr<TokenAnswers> AnswerTokens(Runner& runner, const TokenQuestions& questions,
                                          const DecodeOptions& options,
                                          const evaluate::ProgressCallback& progress,
                                          const CancelToken& cancel, evaluate::Usage& usage) {
  const size_t decode_requests = questions.decode.size();
  const size_t total = decode_requests + questions.scored_requests;
  RWKU_RETURN_IF_ERROR(CheckDecode(runner.config(), questions.decode, options));
  RWKU_RETURN_IF_ERROR(
      AfterRequests(decode_requests, CheckQueries(runner.config(), questions.queries)));
  return CatchTorch([&]() -> absl::StatusOr<TokenAnswers> {
    KvBudget budget(options.caches.bytes);
    Decoding decoding(runner, questions.decode, options, budget, usage);
    Scoring scoring(runner, questions.queries, questions.scored_requests, options.caches, budget,
                    usage);
    size_t reported = 0;
    const auto report = [&] {
      const size_t finished = decoding.finished() + scoring.finished();
      if (progress && finished > reported) {
        reported = finished;
        progress(reported, total);
      }
    };
    RWKU_RETURN_IF_ERROR(cancel.Check());
    report();
    while (!decoding.done() || !scoring.done()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      RWKU_RETURN_IF_ERROR(decoding.Admit(cancel));
      RWKU_RETURN_IF_ERROR(Pass(runner, decoding, scoring, decode_requests, cancel));
      report();
    }
    return TokenAnswers{decoding.TakeOutputs(), scoring.TakeScores()};
  });
}

absl::StatusOr<std::vector<std::vector<TokenScore>>> ScoreTokens(
    Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
    const CacheOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage) {
  RWKU_ASSIGN_OR_RETURN(TokenAnswers answers,
                        AnswerTokens(runner, {.queries = queries, .scored_requests = requests},
                                     {.max_batch = 1, .caches = options}, progress, cancel, usage));
  return std::move(answers.scores);
}

}  // namespace rwku::engine
