// Hands out key-value caches that hold the prefixes of a plan already: a node is computed once,
// after its parent's keys and values, and freed with its last child. All caches together stay
// within a budget of bytes, which others may share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/prefix_tree.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

struct CacheOptions {
  int64_t bytes = int64_t{4} << 30;  // of all caches in use together
  bool share_prefixes = true;        // false: every sequence is computed whole
  int64_t pass_tokens = 1024;        // of prompts that pass through the model together, about
};

// The bytes of key-value caches in use, and how many are allowed; one for all that are in use
// together. Not thread-safe.
class KvBudget {
 public:
  explicit KvBudget(int64_t bytes) : bytes_(bytes) {}

  int64_t bytes() const { return bytes_; }
  int64_t in_use() const { return in_use_; }

  bool TryTake(int64_t bytes) {
    if (in_use_ + bytes > bytes_) {
      return false;
    }
    in_use_ += bytes;
    return true;
  }
  void GiveBack(int64_t bytes) { in_use_ -= bytes; }

 private:
  const int64_t bytes_;
  int64_t in_use_ = 0;
};

struct CachedSequence {
  absl::Span<const int32_t> tokens;
  int64_t capacity = 0;      // positions of its cache; at least as many as tokens
  int64_t first_wanted = 0;  // position from which on hidden states are wanted
  size_t request = 0;        // that an error about it is about
  // Tokens that it counts as, for longrope: those of a text of which only the first are computed.
  // 0: its own.
  int64_t length = 0;
};

// A sequence whose cache holds the tokens of `node`, or none (kNoNode).
struct StartedSequence {
  size_t sequence = 0;
  int node = kNoNode;
  std::unique_ptr<KvCache> cache;
  int64_t bytes = 0;
};

// A node just computed after `from`, an ancestor, or whole (kNoNode).
struct ComputedNode {
  int node = kNoNode;
  int from = kNoNode;
  int64_t first_wanted = 0;  // the first position that a sequence below wants; at most the node's
                             // end
  // Hidden states of the wanted ones of those computed: `count` of `rows` from `first_row` on.
  const Rows* rows = nullptr;
  int64_t first_row = 0;
  int64_t count = 0;
};

// Throws torch's exceptions: callers stand behind CatchTorch. A sequence whose nodes do not fit
// is computed without them.
class PrefixCaches {
 public:
  using OnNode = std::function<absl::Status(const ComputedNode& node)>;

  // `sequences` hold valid tokens (CheckTokens), in the plan's numbers; a plan of the same tokens
  // or of shorter beginnings of them. About `pass_tokens` pass through the model together. All
  // arguments must outlive this. Counts prompt tokens in `usage`, those that the caller is left to
  // compute included. `on_node` may be empty.
  PrefixCaches(Runner& runner, absl::Span<const CachedSequence> sequences, const PrefixPlan& plan,
               int64_t pass_tokens, KvBudget& budget, OnNode on_node, evaluate::Usage& usage);

  // Whether every sequence was handed out.
  bool done() const { return next_ == plan_.order.size(); }

  // The next sequences, at most `most` and about as many tokens as pass together, `beside` of which
  // others have taken, after their nodes were computed. None where they must wait for a GiveBack,
  // or for others that share the budget or the pass. The cancel token's reason;
  // INVALID_ARGUMENT for a sequence of a longrope model that outgrows
  // original_max_position_embeddings on its way, which would change the factors of the tokens that
  // it has; RESOURCE_EXHAUSTED for one that fits not even alone; the errors of `on_node`.
  absl::StatusOr<std::vector<StartedSequence>> Take(size_t most, const CancelToken& cancel,
                                                    int64_t beside = 0);

  // Frees the cache of a sequence.
  void GiveBack(StartedSequence& started);

  // By this one alone.
  int64_t bytes_in_use() const { return bytes_in_use_; }

 private:
  struct Node {
    // kLeftOut: its children go on from its own parent.
    enum class State { kWaiting, kChosen, kComputed, kLeftOut };
    State state = State::kWaiting;
    int children = 0;  // still to be started
    int64_t first_wanted = 0;
    std::unique_ptr<KvCache> cache;
  };

  int64_t BytesOf(int node) const;
  int64_t EndOf(int node) const { return node == kNoNode ? 0 : plan_.nodes[node].end; }
  absl::Status CheckRope() const;
  void Detach(size_t sequence);
  int Nearest(int node) const;
  std::vector<int> Missing(size_t sequence) const;
  void LeaveOut(int node);
  bool FreeComputed();
  bool TryTake(int64_t bytes);
  void Free(int64_t bytes);
  absl::StatusOr<bool> Reserve(size_t sequence, bool is_alone, std::vector<int>& chosen);
  std::unique_ptr<KvCache> Begin(int from, int64_t capacity);
  absl::Status Compute(const std::vector<int>& chosen, const CancelToken& cancel);
  absl::Status ComputeLevel(const std::vector<int>& level, const CancelToken& cancel);

  Runner& runner_;
  const absl::Span<const CachedSequence> sequences_;
  const PrefixPlan& plan_;
  const int64_t pass_tokens_;
  KvBudget& budget_;
  const OnNode on_node_;
  evaluate::Usage& usage_;
  std::vector<Node> nodes_;
  std::vector<int> parents_;  // of the sequences; kNoNode for those that share nothing
  size_t next_ = 0;           // place in the plan's order
  size_t in_flight_ = 0;      // sequences handed out and not given back
  int64_t bytes_in_use_ = 0;
};

}  // namespace rwku::engine
