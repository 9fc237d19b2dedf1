#include "worker/engine/score/score.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

using evaluate::RequestError;

// Rows of logits that exist at a time.
constexpr size_t kLogitRows = 32;

// With m the largest logit, d = l - m and c = log sum e^d, log p = d - c; the variance of log p is
// that of d, which is computed without c for accuracy.
TokenScore ScoreOf(absl::Span<const float> logits, const LogitSums& sums, int32_t token) {
  const double log_sum = std::log(static_cast<double>(sums.exp));
  const double mean = static_cast<double>(sums.exp_d) / sums.exp;
  const double square = static_cast<double>(sums.exp_d_squared) / sums.exp;
  const float logit = logits[token];
  return {static_cast<float>(static_cast<double>(logit) - sums.max - log_sum),
          static_cast<float>(mean - log_sum), static_cast<float>(square - mean * mean),
          logit == sums.max &&
              std::find(logits.begin(), logits.begin() + token, logit) == logits.begin() + token};
}

bool IsFinite(const TokenScore& score) {
  return std::isfinite(score.log_probability) && std::isfinite(score.mean) &&
         std::isfinite(score.variance);
}

// What was computed of tokens [begin, end) of a query, those of a node or all at its end.
struct Stretch {
  int from = kNoNode;              // the node before
  size_t first = 0;                // position of the first token scored here
  std::vector<TokenScore> scores;  // of it and every one after
  std::vector<float> last_hidden;  // of a node: what its children's first tokens are scored by;
                                   // empty where none asks for it
};

// A hidden state and the tokens to be scored by it.
struct Row {
  const float* hidden;
  absl::Span<const int32_t> tokens;
  Stretch* to;
  size_t query;
};

class Scorer {
 public:
  Scorer(CpuRunner& runner, absl::Span<const ScoreQuery> queries, const CacheOptions& options,
         evaluate::Usage& usage)
      : runner_(runner),
        queries_(queries),
        sequences_(SequencesOf(queries)),
        plan_(PlanOf(sequences_, options.share_prefixes)),
        nodes_(plan_.nodes.size()),
        caches_(
            runner, sequences_, plan_, options.bytes,
            [this](const ComputedNode& node) { return ScoreNode(node); }, usage) {}

  bool done() const { return caches_.done(); }

  // One pass: fills the scores of some queries and returns their numbers.
  absl::StatusOr<std::vector<size_t>> Step(std::vector<std::vector<TokenScore>>& scores) {
    RWKU_ASSIGN_OR_RETURN(std::vector<StartedSequence> started,
                          caches_.Take(std::numeric_limits<size_t>::max()));
    std::vector<CachePiece> pieces;
    pieces.reserve(started.size());
    for (const StartedSequence& sequence : started) {
      const CachedSequence& whole = sequences_[sequence.sequence];
      const int64_t begin = sequence.cache->length();
      pieces.push_back({sequence.cache.get(), whole.tokens.subspan(begin),
                        static_cast<size_t>(std::max(int64_t{0}, whole.first_wanted - begin))});
    }
    const std::vector<float> hidden = runner_.Forward(pieces);
    const float* own = hidden.data();
    std::vector<Stretch> ends(started.size());
    std::vector<Row> rows;
    std::vector<size_t> finished;
    for (size_t i = 0; i < started.size(); ++i) {
      const size_t query = started[i].sequence;
      const CachedSequence& whole = sequences_[query];
      const auto size = static_cast<int64_t>(whole.tokens.size());
      const int64_t begin = size - static_cast<int64_t>(pieces[i].tokens.size());
      ends[i].from = started[i].node;
      AddRows(query, begin, size, whole.first_wanted, own, ends[i], rows);
      own += (size - std::max(begin, whole.first_wanted)) * Width();
      if (!queries_[query].next.empty()) {
        const float* const last =
            begin == size ? nodes_[ends[i].from].last_hidden.data() : own - Width();
        rows.push_back({last, queries_[query].next, &ends[i], query});
      }
      finished.push_back(query);
      caches_.GiveBack(started[i]);
    }
    RWKU_RETURN_IF_ERROR(ScoreRows(rows));
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

  int64_t Width() const { return runner_.config().hidden_size; }

  // A row for every token of [begin, end) that is scored by a position from `first_wanted` on; the
  // first may be scored by the last of the node before. `own` holds the stretch's own hidden states
  // from the first wanted one on.
  void AddRows(size_t query, int64_t begin, int64_t end, int64_t first_wanted, const float* own,
               Stretch& stretch, std::vector<Row>& rows) const {
    const int64_t first_own = std::max(begin, first_wanted);
    const int64_t first_token = std::max(begin, first_wanted + 1);
    stretch.first = static_cast<size_t>(first_token);
    for (int64_t token = first_token; token < end; ++token) {
      const float* const hidden = token == begin ? nodes_[stretch.from].last_hidden.data()
                                                 : own + (token - 1 - first_own) * Width();
      rows.push_back({hidden, sequences_[query].tokens.subspan(token, 1), &stretch, query});
    }
  }

  absl::Status ScoreNode(const ComputedNode& computed) {
    const PrefixNode& node = plan_.nodes[computed.node];
    Stretch& stretch = nodes_[computed.node];
    stretch.from = computed.from;
    if (!computed.hidden.empty()) {
      const auto last = computed.hidden.last(static_cast<size_t>(Width()));
      stretch.last_hidden.assign(last.begin(), last.end());
    }
    const int64_t begin = computed.from == kNoNode ? 0 : plan_.nodes[computed.from].end;
    std::vector<Row> rows;
    AddRows(node.sequence, begin, node.end, computed.first_wanted, computed.hidden.data(), stretch,
            rows);
    return ScoreRows(rows);
  }

  absl::Status ScoreRows(absl::Span<const Row> rows) const {
    const auto width = static_cast<size_t>(Width());
    const auto vocabulary = static_cast<size_t>(runner_.config().vocab_size);
    std::vector<float> hidden;
    std::vector<float> logits;
    for (size_t first = 0; first < rows.size(); first += kLogitRows) {
      const auto some = rows.subspan(first, std::min(kLogitRows, rows.size() - first));
      hidden.resize(some.size() * width);
      for (size_t r = 0; r < some.size(); ++r) {
        std::memcpy(hidden.data() + r * width, some[r].hidden, width * sizeof(float));
      }
      runner_.Logits(hidden, logits);
      for (size_t r = 0; r < some.size(); ++r) {
        const auto row = absl::MakeConstSpan(logits).subspan(r * vocabulary, vocabulary);
        RWKU_RETURN_IF_ERROR(ScoreRow(some[r], row));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ScoreRow(const Row& row, absl::Span<const float> logits) const {
    const LogitSums sums = runner_.SumLogits(logits);
    for (const int32_t token : row.tokens) {
      row.to->scores.push_back(ScoreOf(logits, sums, token));
      if (!IsFinite(row.to->scores.back())) {
        return RequestError(
            queries_[row.query].request,
            absl::DataLossError(absl::StrCat(
                "the log-probability of token ", row.to->first + row.to->scores.size() - 1,
                ", counted from 0, is not finite: the weights have diverged")));
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

  CpuRunner& runner_;
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
    CpuRunner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
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
    Scorer scorer(runner, queries, options, usage);
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
