#include "worker/engine/score/score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

using evaluate::RequestError;

bool IsFinite(const TokenScore& score) {
  return std::isfinite(score.log_probability) && std::isfinite(score.mean) &&
         std::isfinite(score.variance);
}

// What was computed of tokens [begin, end) of a query, those of a node or all at its end.
struct Stretch {
  int from = kNoNode;              // the node before
  size_t first = 0;                // position of the first token scored here
  std::vector<TokenScore> scores;  // of it and every one after
  std::unique_ptr<Rows> last_row;  // of a node: what its children's first tokens are scored by;
                                   // null where none asks for it
};

// Rows to be scored, and where the scores of each go.
struct Pending {
  struct Place {
    Stretch* to;
    size_t query;
  };
  std::vector<ScoredRow> rows;
  std::vector<Place> places;

  void Add(RowRef row, absl::Span<const int32_t> tokens, Stretch* to, size_t query) {
    rows.push_back({row, tokens});
    places.push_back({to, query});
  }
};

class Scorer {
 public:
  Scorer(Runner& runner, absl::Span<const ScoreQuery> queries, const CacheOptions& options,
         const CancelToken& cancel, evaluate::Usage& usage)
      : runner_(runner),
        cancel_(cancel),
        queries_(queries),
        sequences_(SequencesOf(queries)),
        plan_(PlanOf(sequences_, options.share_prefixes)),
        nodes_(plan_.nodes.size()),
        caches_(
            runner, sequences_, plan_, options,
            [this](const ComputedNode& node) { return ScoreNode(node); }, usage) {}

  bool done() const { return caches_.done(); }

  // One pass: fills the scores of some queries and returns their numbers.
  absl::StatusOr<std::vector<size_t>> Step(std::vector<std::vector<TokenScore>>& scores) {
    RWKU_ASSIGN_OR_RETURN(std::vector<StartedSequence> started,
                          caches_.Take(std::numeric_limits<size_t>::max(), cancel_));
    std::vector<CachePiece> pieces;
    pieces.reserve(started.size());
    for (const StartedSequence& sequence : started) {
      const CachedSequence& whole = sequences_[sequence.sequence];
      const int64_t begin = sequence.cache->length();
      pieces.push_back({sequence.cache.get(), whole.tokens.subspan(begin),
                        static_cast<size_t>(std::max(int64_t{0}, whole.first_wanted - begin))});
    }
    RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner_.Forward(pieces, cancel_));
    int64_t own = 0;  // the first row of the sequence
    std::vector<Stretch> ends(started.size());
    Pending pending;
    std::vector<size_t> finished;
    for (size_t i = 0; i < started.size(); ++i) {
      const size_t query = started[i].sequence;
      const CachedSequence& whole = sequences_[query];
      const auto size = static_cast<int64_t>(whole.tokens.size());
      const int64_t begin = size - static_cast<int64_t>(pieces[i].tokens.size());
      ends[i].from = started[i].node;
      AddRows(query, begin, size, whole.first_wanted, {rows.get(), own}, ends[i], pending);
      own += size - std::max(begin, whole.first_wanted);
      if (!queries_[query].next.empty()) {
        const RowRef last = begin == size ? LastRow(ends[i].from) : RowRef{rows.get(), own - 1};
        pending.Add(last, queries_[query].next, &ends[i], query);
      }
      finished.push_back(query);
      caches_.GiveBack(started[i]);
    }
    RWKU_RETURN_IF_ERROR(ScoreRows(pending));
    for (size_t i = 0; i < finished.size(); ++i) {
      scores[finished[i]] = Assemble(finished[i], ends[i]);
    }
    return finished;
  }

 private:
  static std::vector<CachedSequence> SequencesOf(absl::Span<const ScoreQuery> queries) {
    std::vector<CachedSequence> sequences;
    sequences.reserve(queries.size());
    for (const ScoreQuery& query : queries) {
      const auto size = static_cast<int64_t>(query.context.size());
      const auto length = std::max(size, static_cast<int64_t>(query.length));
      sequences.push_back(
          {query.context, length, static_cast<int64_t>(query.first) - 1, query.request, length});
    }
    return sequences;
  }

  static PrefixPlan PlanOf(absl::Span<const CachedSequence> sequences, bool share_prefixes) {
    if (!share_prefixes) {
      return PlanWithoutSharing(sequences.size());
    }
    std::vector<absl::Span<const int32_t>> tokens;
    tokens.reserve(sequences.size());
    for (const CachedSequence& sequence : sequences) {
      tokens.push_back(sequence.tokens);
    }
    return PlanPrefixes(tokens);
  }

  RowRef LastRow(int node) const { return {nodes_[node].last_row.get(), 0}; }

  // A row for every token of [begin, end) that is scored by a position from `first_wanted` on; the
  // first may be scored by the last of the node before. `own` is the stretch's own row of the first
  // wanted position.
  void AddRows(size_t query, int64_t begin, int64_t end, int64_t first_wanted, RowRef own,
               Stretch& stretch, Pending& pending) const {
    const int64_t first_own = std::max(begin, first_wanted);
    const int64_t first_token = std::max(begin, first_wanted + 1);
    stretch.first = static_cast<size_t>(first_token);
    for (int64_t token = first_token; token < end; ++token) {
      const RowRef row = token == begin ? LastRow(stretch.from)
                                        : RowRef{own.rows, own.row + token - 1 - first_own};
      pending.Add(row, sequences_[query].tokens.subspan(token, 1), &stretch, query);
    }
  }

  absl::Status ScoreNode(const ComputedNode& computed) {
    const PrefixNode& node = plan_.nodes[computed.node];
    Stretch& stretch = nodes_[computed.node];
    stretch.from = computed.from;
    if (computed.count > 0) {
      stretch.last_row = runner_.CopyRow({computed.rows, computed.first_row + computed.count - 1});
    }
    const int64_t begin = computed.from == kNoNode ? 0 : plan_.nodes[computed.from].end;
    Pending pending;
    AddRows(node.sequence, begin, node.end, computed.first_wanted,
            {computed.rows, computed.first_row}, stretch, pending);
    return ScoreRows(pending);
  }

  absl::Status ScoreRows(const Pending& pending) {
    const std::vector<TokenScore> scores = runner_.Score(pending.rows);
    size_t next = 0;
    for (size_t i = 0; i < pending.rows.size(); ++i) {
      const auto& [to, query] = pending.places[i];
      for (size_t t = 0; t < pending.rows[i].tokens.size(); ++t) {
        to->scores.push_back(scores[next++]);
        if (!IsFinite(to->scores.back())) {
          return RequestError(
              queries_[query].request,
              absl::DataLossError(
                  absl::StrCat("the log-probability of token ", to->first + to->scores.size() - 1,
                               ", counted from 0, is not finite: the weights have diverged")));
        }
      }
    }
    return absl::OkStatus();
  }

  // What the query asked for of its nodes, and of its end.
  std::vector<TokenScore> Assemble(size_t query, const Stretch& end) const {
    std::vector<const Stretch*> path = {&end};
    while (path.back()->from != kNoNode) {
      path.push_back(&nodes_[path.back()->from]);
    }
    std::vector<TokenScore> scores;
    for (auto stretch = path.rbegin(); stretch != path.rend(); ++stretch) {
      const std::vector<TokenScore>& part = (*stretch)->scores;
      const size_t first = (*stretch)->first;
      const size_t skipped = queries_[query].first > first ? queries_[query].first - first : 0;
      if (skipped < part.size()) {
        scores.insert(scores.end(), part.begin() + static_cast<ptrdiff_t>(skipped), part.end());
      }
    }
    return scores;
  }

  Runner& runner_;
  const CancelToken& cancel_;
  const absl::Span<const ScoreQuery> queries_;
  const std::vector<CachedSequence> sequences_;
  const PrefixPlan plan_;
  std::vector<Stretch> nodes_;
  PrefixCaches caches_;
};

absl::Status CheckQuery(const ModelConfig& config, const ScoreQuery& query) {
  RWKU_RETURN_IF_ERROR(CheckTokens(config, query.context));
  RWKU_CHECK(query.first >= 1 && query.first <= query.context.size());
  return query.next.empty() ? absl::OkStatus() : CheckTokens(config, query.next);
}

}  // namespace

absl::StatusOr<std::vector<std::vector<TokenScore>>> ScoreTokens(
    Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
    const CacheOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage) {
  std::vector<size_t> unfinished(requests);  // queries of a request
  for (const ScoreQuery& query : queries) {
    const absl::Status status = CheckQuery(runner.config(), query);
    if (!status.ok()) {
      return RequestError(query.request, status);
    }
    ++unfinished[query.request];
  }
  return CatchTorch([&]() -> absl::StatusOr<std::vector<std::vector<TokenScore>>> {
    std::vector<std::vector<TokenScore>> scores(queries.size());
    auto done = static_cast<size_t>(std::count(unfinished.begin(), unfinished.end(), size_t{0}));
    const auto report = [&] {
      if (progress && done > 0) {
        progress(done, requests);
      }
    };
    RWKU_RETURN_IF_ERROR(cancel.Check());
    report();
    Scorer scorer(runner, queries, options, cancel, usage);
    while (!scorer.done()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      RWKU_ASSIGN_OR_RETURN(const std::vector<size_t> finished, scorer.Step(scores));
      const size_t before = done;
      for (const size_t query : finished) {
        done += --unfinished[queries[query].request] == 0 ? 1 : 0;
      }
      if (done > before) {
        report();
      }
    }
    return scores;
  });
}

}  // namespace rwku::engine
