#include "worker/engine/score/scoring.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::engine {

namespace {

using evaluate::RequestError;

bool IsFinite(const TokenScore& score) {
  return std::isfinite(score.log_probability) && std::isfinite(score.mean) &&
         std::isfinite(score.variance);
}

std::vector<CachedSequence> SequencesOf(absl::Span<const ScoreQuery> queries) {
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

PrefixPlan PlanOf(absl::Span<const CachedSequence> sequences, bool share_prefixes) {
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

absl::Status CheckQuery(const ModelConfig& config, const ScoreQuery& query) {
  RWKU_RETURN_IF_ERROR(CheckTokens(config, query.context));
  RWKU_CHECK(query.first >= 1 && query.first <= query.context.size());
  return query.next.empty() ? absl::OkStatus() : CheckTokens(config, query.next);
}

}  // namespace

absl::Status CheckQueries(const ModelConfig& config, absl::Span<const ScoreQuery> queries) {
  for (const ScoreQuery& query : queries) {
    const absl::Status status = CheckQuery(config, query);
    if (!status.ok()) {
      return RequestError(query.request, status);
    }
  }
  return absl::OkStatus();
}

// Rows to be scored, and where the scores of each go.
struct Scoring::Pending {
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

Scoring::Scoring(Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
                 const CacheOptions& options, KvBudget& budget, evaluate::Usage& usage)
    : runner_(runner),
      queries_(queries),
      sequences_(SequencesOf(queries)),
      plan_(PlanOf(sequences_, options.share_prefixes)),
      nodes_(plan_.nodes.size()),
      caches_(
          runner, sequences_, plan_, options.pass_tokens, budget,
          [this](const ComputedNode& node) { return ScoreNode(node); }, usage),
      unfinished_(requests),
      scores_(queries.size()) {
  for (const ScoreQuery& query : queries) {
    ++unfinished_[query.request];
  }
  finished_ = static_cast<size_t>(std::count(unfinished_.begin(), unfinished_.end(), size_t{0}));
}

absl::Status Scoring::AddPieces(int64_t beside, std::vector<CachePiece>& pieces,
                                const CancelToken& cancel) {
  RWKU_CHECK(started_.empty());
  RWKU_ASSIGN_OR_RETURN(started_, caches_.Take(std::numeric_limits<size_t>::max(), cancel, beside));
  for (const StartedSequence& sequence : started_) {
    const CachedSequence& whole = sequences_[sequence.sequence];
    const int64_t begin = sequence.cache->length();
    pieces.push_back({sequence.cache.get(), whole.tokens.subspan(begin),
                      static_cast<size_t>(std::max(int64_t{0}, whole.first_wanted - begin))});
  }
  return absl::OkStatus();
}

absl::Status Scoring::TakeRows(const Rows& rows, int64_t first_row) {
  if (started_.empty()) {
    return absl::OkStatus();
  }
  int64_t own = first_row;  // the first row of the sequence
  std::vector<Stretch> ends(started_.size());
  Pending pending;
  for (size_t i = 0; i < started_.size(); ++i) {
    const size_t query = started_[i].sequence;
    const CachedSequence& whole = sequences_[query];
    const auto size = static_cast<int64_t>(whole.tokens.size());
    const int node = started_[i].node;
    const int64_t begin = node == kNoNode ? 0 : plan_.nodes[node].end;
    ends[i].from = node;
    AddRows(query, begin, size, whole.first_wanted, {&rows, own}, ends[i], pending);
    own += size - std::max(begin, whole.first_wanted);
    if (!queries_[query].next.empty()) {
      const RowRef last = begin == size ? LastRow(node) : RowRef{&rows, own - 1};
      pending.Add(last, queries_[query].next, &ends[i], query);
    }
    caches_.GiveBack(started_[i]);
  }
  RWKU_RETURN_IF_ERROR(ScoreRows(pending));
  for (size_t i = 0; i < started_.size(); ++i) {
    const size_t query = started_[i].sequence;
    scores_[query] = Assemble(query, ends[i]);
    finished_ += --unfinished_[queries_[query].request] == 0 ? 1 : 0;
  }
  started_.clear();
  return absl::OkStatus();
}

// A row for every token of [begin, end) that is scored by a position from `first_wanted` on; the
// first may be scored by the last of the node before. `own` is the stretch's own row of the first
// wanted position.
void Scoring::AddRows(size_t query, int64_t begin, int64_t end, int64_t first_wanted, RowRef own,
                      Stretch& stretch, Pending& pending) const {
  const int64_t first_own = std::max(begin, first_wanted);
  const int64_t first_token = std::max(begin, first_wanted + 1);
  stretch.first = static_cast<size_t>(first_token);
  for (int64_t token = first_token; token < end; ++token) {
    const RowRef row =
        token == begin ? LastRow(stretch.from) : RowRef{own.rows, own.row + token - 1 - first_own};
    pending.Add(row, sequences_[query].tokens.subspan(token, 1), &stretch, query);
  }
}

absl::Status Scoring::ScoreNode(const ComputedNode& computed) {
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

absl::Status Scoring::ScoreRows(const Pending& pending) {
  const std::vector<TokenScore> scores = runner_.Score(pending.rows);
  size_t next = 0;
  for (size_t i = 0; i < pending.rows.size(); ++i) {
    const auto& [to, query] = pending.places[i];
    for (size_t t = 0; t < pending.rows[i].tokens.size(); ++t) {
      to->scores.push_back(scores[next++]);
      if (!IsFinite(to->scores.back())) {
        return RequestError(queries_[query].request,
                            absl::DataLossError(absl::StrCat(
                                "the log-probability of token ", to->first + to->scores.size() - 1,
                                ", counted from 0, is not finite: the weights have diverged")));
      }
    }
  }
  return absl::OkStatus();
}

// What the query asked for of its nodes, and of its end.
std::vector<TokenScore> Scoring::Assemble(size_t query, const Stretch& end) const {
  std::vector<const Stretch*> path = {&end};
  while (path.back()->from != kNoNode) {
    path.push_back(&nodes_[path.back()->from]);
  }
  std::reverse(path.begin(), path.end());
  std::vector<TokenScore> scores;
  for (const Stretch* const stretch : path) {
    const std::vector<TokenScore>& part = stretch->scores;
    const size_t first = stretch->first;
    const size_t skipped = queries_[query].first > first ? queries_[query].first - first : 0;
    if (skipped < part.size()) {
      scores.insert(scores.end(), part.begin() + static_cast<ptrdiff_t>(skipped), part.end());
    }
  }
  return scores;
}

}  // namespace rwku::engine
