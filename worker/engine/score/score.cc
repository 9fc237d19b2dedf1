#include "worker/engine/score/score.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

// Tokens that pass through the model together.
constexpr int64_t kPassTokens = 1024;
// Rows of logits that exist at a time.
constexpr int64_t kLogitRows = 32;

// With m the largest logit, d = l - m and c = log sum e^d, log p = d - c; the variance of log p is
// that of d, which is computed without c for accuracy.
// False where they are not finite.
bool AddScores(absl::Span<const float> logits, int32_t next, const LogitSums& sums,
               evaluate::TokenScores& scores) {
  const double log_sum = std::log(static_cast<double>(sums.exp));
  const double mean = static_cast<double>(sums.exp_d) / sums.exp;
  const double square = static_cast<double>(sums.exp_d_squared) / sums.exp;
  scores.log_probabilities.push_back(
      static_cast<float>(static_cast<double>(logits[next]) - sums.max - log_sum));
  scores.means.push_back(static_cast<float>(mean - log_sum));
  scores.variances.push_back(static_cast<float>(square - mean * mean));
  return std::isfinite(scores.log_probabilities.back()) && std::isfinite(scores.means.back()) &&
         std::isfinite(scores.variances.back());
}

// `first_text` is the number of sequences[0], for messages.
absl::Status ScorePass(CpuRunner& runner, absl::Span<const std::vector<int32_t>> sequences,
                       size_t first_text, absl::Span<evaluate::TokenScores> scores) {
  const int64_t width = runner.config().hidden_size;
  const int64_t vocabulary = runner.config().vocab_size;
  std::vector<KvCache> caches;
  caches.reserve(sequences.size());
  std::vector<CachePiece> pieces;
  struct Target {
    size_t sequence;
    int32_t next;
  };
  std::vector<Target> targets;  // one a row of hidden states
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::vector<int32_t>& sequence = sequences[i];
    if (sequence.size() < 2) {
      continue;
    }
    caches.emplace_back(runner.config(), static_cast<int64_t>(sequence.size()));
    // Nothing comes after the last token.
    pieces.push_back({&caches.back(), absl::MakeConstSpan(sequence).first(sequence.size() - 1)});
    for (size_t t = 1; t < sequence.size(); ++t) {
      targets.push_back({i, sequence[t]});
    }
  }
  const std::vector<float> hidden = runner.Forward(pieces, CpuRunner::Rows::kAll);
  const auto rows = static_cast<int64_t>(targets.size());
  std::vector<float> logits;
  for (int64_t first = 0; first < rows; first += kLogitRows) {
    const int64_t count = std::min(kLogitRows, rows - first);
    runner.Logits(absl::MakeConstSpan(hidden).subspan(first * width, count * width), logits);
    for (int64_t r = 0; r < count; ++r) {
      const auto row = absl::MakeConstSpan(logits).subspan(r * vocabulary, vocabulary);
      const Target& target = targets[first + r];
      evaluate::TokenScores& to = scores[target.sequence];
      if (!AddScores(row, target.next, runner.SumLogits(row), to)) {
        return absl::DataLossError(
            absl::StrCat("text ", first_text + target.sequence, ": the log-probability of token ",
                         to.log_probabilities.size(), " is not finite: the weights have diverged"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<evaluate::TokenScores>> ScoreSequences(
    CpuRunner& runner, absl::Span<const std::vector<int32_t>> sequences,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    for (const int32_t id : sequences[i]) {
      if (id < 0 || id >= runner.config().vocab_size) {
        return absl::InvalidArgumentError(absl::StrCat("text ", i, " has token id ", id,
                                                       "; allowed is 0 to ",
                                                       runner.config().vocab_size - 1));
      }
    }
  }
  return CatchTorch([&]() -> absl::StatusOr<std::vector<evaluate::TokenScores>> {
    std::vector<evaluate::TokenScores> scores(sequences.size());
    size_t begin = 0;
    while (begin < sequences.size()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      size_t end = begin;
      int64_t tokens = 0;
      while (end < sequences.size() && (end == begin || tokens < kPassTokens)) {
        tokens += static_cast<int64_t>(sequences[end].size());
        ++end;
      }
      RWKU_RETURN_IF_ERROR(ScorePass(runner, sequences.subspan(begin, end - begin), begin,
                                     absl::MakeSpan(scores).subspan(begin, end - begin)));
      begin = end;
      if (progress) {
        progress(end, sequences.size());
      }
    }
    return scores;
  });
}

}  // namespace rwku::engine
