// Log-probabilities of tokens after a context, with the mean and variance that Min-K%++ divides by.
// What contexts share is computed once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/prefix_caches.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

// Scores tokens `first` and later of `context`, each after those before it, then every one of
// `next` after the whole context.
struct ScoreQuery {
  std::vector<int32_t> context;  // at least one token
  size_t first = 1;              // at least 1; the size of the context for none of it
  std::vector<int32_t> next;
  size_t request = 0;  // that this is a part of, for errors and progress
  // Tokens of the text of which the context is the beginning, for longrope; 0: the context is all.
  size_t length = 0;
};

// Of a request (evaluate::RequestError): INVALID_ARGUMENT for an empty context or an id outside the
// vocabulary.
absl::Status CheckQueries(const ModelConfig& config, absl::Span<const ScoreQuery> queries);

// Queries on their way, of which whoever owns this makes the passes:
//
//   while (!scoring.done()) {
//     AddPieces(&pieces); rows = Forward(pieces); TakeRows(rows, first row of those pieces);
//   }
//
// The scores of a query depend on it alone. Throws torch's exceptions: callers stand behind
// CatchTorch. Not thread-safe.
class Scoring {
 public:
  // `queries` have passed CheckQueries and are parts of `requests` requests. All arguments must
  // outlive this. Adds to `usage`.
  Scoring(Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
          const CacheOptions& options, KvBudget& budget, evaluate::Usage& usage);

  bool done() const { return caches_.done() && started_.empty(); }
  // Requests that have all their scores; those without a query from the beginning.
  size_t finished() const { return finished_; }

  // Pieces for as many tokens as pass together, `beside` of which others have taken, after what
  // they share was computed in passes of its own. None where they must wait for others to give back
  // memory, or for a pass with more room. RESOURCE_EXHAUSTED when a query alone exceeds the budget,
  // DATA_LOSS for a probability that is not finite (both evaluate::RequestError); the cancel
  // token's reason.
  absl::Status AddPieces(int64_t beside, std::vector<CachePiece>& pieces,
                         const CancelToken& cancel);

  // The scores of the queries whose pieces were added last: their rows stand in `rows` from
  // `first_row` on. DATA_LOSS as AddPieces.
  absl::Status TakeRows(const Rows& rows, int64_t first_row);

  // Of every query, in order.
  std::vector<std::vector<TokenScore>> TakeScores() { return std::move(scores_); }

 private:
  // What was computed of tokens [begin, end) of a query, those of a node or all at its end.
  struct Stretch {
    int from = kNoNode;              // the node before
    size_t first = 0;                // position of the first token scored here
    std::vector<TokenScore> scores;  // of it and every one after
    std::unique_ptr<Rows> last_row;  // of a node: what its children's first tokens are scored by;
                                     // null where none asks for it
  };
  struct Pending;

  RowRef LastRow(int node) const { return {nodes_[node].last_row.get(), 0}; }
  void AddRows(size_t query, int64_t begin, int64_t end, int64_t first_wanted, RowRef own,
               Stretch& stretch, Pending& pending) const;
  absl::Status ScoreNode(const ComputedNode& computed);
  absl::Status ScoreRows(const Pending& pending);
  std::vector<TokenScore> Assemble(size_t query, const Stretch& end) const;

  Runner& runner_;
  const absl::Span<const ScoreQuery> queries_;
  const std::vector<CachedSequence> sequences_;
  const PrefixPlan plan_;
  std::vector<Stretch> nodes_;
  PrefixCaches caches_;
  std::vector<StartedSequence> started_;  // whose pieces were added last
  std::vector<size_t> unfinished_;        // queries of every request
  size_t finished_ = 0;                   // requests
  std::vector<std::vector<TokenScore>> scores_;
};

}  // namespace rwku::engine
