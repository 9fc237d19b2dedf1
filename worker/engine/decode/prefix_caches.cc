#include "worker/engine/decode/prefix_caches.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/model/rope.h"

namespace rwku::engine {

PrefixCaches::PrefixCaches(Runner& runner, absl::Span<const CachedSequence> sequences,
                           const PrefixPlan& plan, int64_t pass_tokens, KvBudget& budget,
                           OnNode on_node, evaluate::Usage& usage)
    : runner_(runner),
      sequences_(sequences),
      plan_(plan),
      pass_tokens_(pass_tokens),
      budget_(budget),
      on_node_(std::move(on_node)),
      usage_(usage),
      nodes_(plan.nodes.size()),
      parents_(plan.parents) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].children = plan.nodes[i].children;
    nodes_[i].first_wanted = plan.nodes[i].end;
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (UsesLongRope(runner.config(), sequences[i].capacity)) {
      Detach(i);
    }
    for (int node = parents_[i]; node != kNoNode; node = plan.nodes[node].parent) {
      nodes_[node].first_wanted = std::min(nodes_[node].first_wanted, sequences[i].first_wanted);
    }
  }
}

// Leaves a sequence whose keys differ from those of its nodes without any.
void PrefixCaches::Detach(size_t sequence) {
  int node = parents_[sequence];
  parents_[sequence] = kNoNode;
  while (node != kNoNode && --nodes_[node].children == 0) {
    nodes_[node].state = Node::State::kLeftOut;
    node = plan_.nodes[node].parent;
  }
}

absl::Status PrefixCaches::CheckRope() const {
  for (const CachedSequence& sequence : sequences_) {
    const int64_t tokens = std::max(static_cast<int64_t>(sequence.tokens.size()), sequence.length);
    if (UsesLongRope(runner_.config(), sequence.capacity) !=
        UsesLongRope(runner_.config(), tokens)) {
      return evaluate::RequestError(
          sequence.request, absl::InvalidArgumentError(absl::StrCat(
                                tokens, " tokens, ", sequence.capacity,
                                " with those to come; allowed are sequences that stay within "
                                "original_max_position_embeddings, ",
                                runner_.config().rope_scaling.original_max_position_embeddings,
                                ", or begin beyond it: the rotary factors change there")));
    }
  }
  return absl::OkStatus();
}

int64_t PrefixCaches::BytesOf(int node) const { return runner_.CacheBytes(plan_.nodes[node].end); }

// The nearest of `node` and its ancestors that is not left out.
int PrefixCaches::Nearest(int node) const {
  while (node != kNoNode && nodes_[node].state == Node::State::kLeftOut) {
    node = plan_.nodes[node].parent;
  }
  return node;
}

// Nodes that the sequence waits for, from the root.
std::vector<int> PrefixCaches::Missing(size_t sequence) const {
  std::vector<int> missing;
  for (int node = Nearest(parents_[sequence]);
       node != kNoNode && nodes_[node].state == Node::State::kWaiting;
       node = Nearest(plan_.nodes[node].parent)) {
    missing.push_back(node);
  }
  std::reverse(missing.begin(), missing.end());
  return missing;
}

void PrefixCaches::LeaveOut(int node) {
  nodes_[node].state = Node::State::kLeftOut;
  const int parent = Nearest(node);
  if (parent != kNoNode) {
    nodes_[parent].children += nodes_[node].children - 1;
  }
}

// Whether there was a node to free.
bool PrefixCaches::FreeComputed() {
  bool found = false;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].cache) {
      nodes_[i].cache.reset();
      nodes_[i].state = Node::State::kLeftOut;
      Free(BytesOf(static_cast<int>(i)));
      found = true;
    }
  }
  return found;
}

bool PrefixCaches::TryTake(int64_t bytes) {
  if (!budget_.TryTake(bytes)) {
    return false;
  }
  bytes_in_use_ += bytes;
  return true;
}

void PrefixCaches::Free(int64_t bytes) {
  budget_.GiveBack(bytes);
  bytes_in_use_ -= bytes;
}

// Room for the sequence and its missing nodes, which join `chosen`; false where it must wait.
absl::StatusOr<bool> PrefixCaches::Reserve(size_t sequence, bool is_alone,
                                           std::vector<int>& chosen) {
  const int64_t own = runner_.CacheBytes(sequences_[sequence].capacity);
  while (true) {
    const std::vector<int> missing = Missing(sequence);
    int64_t bytes = own;
    for (const int node : missing) {
      bytes += BytesOf(node);
    }
    if (TryTake(bytes)) {
      for (const int node : missing) {
        nodes_[node].state = Node::State::kChosen;
        chosen.push_back(node);
      }
      return true;
    }
    if (!is_alone) {
      return false;
    }
    if (!missing.empty()) {
      LeaveOut(missing.back());
    } else if (!FreeComputed()) {
      return evaluate::RequestError(
          sequences_[sequence].request,
          absl::ResourceExhaustedError(absl::StrCat(
              own, " bytes of key-value cache are needed; allowed is ", budget_.bytes())));
    }
  }
}

// An empty cache, or one that goes on from `from`, whose child it is.
std::unique_ptr<KvCache> PrefixCaches::Begin(int from, int64_t capacity) {
  std::unique_ptr<KvCache> cache = runner_.NewCache(capacity);
  if (from != kNoNode) {
    Node& parent = nodes_[from];
    runner_.CopyPrefix(*parent.cache, *cache);
    if (--parent.children == 0) {
      parent.cache.reset();
      Free(BytesOf(from));
    }
  }
  return cache;
}

absl::Status PrefixCaches::ComputeLevel(const std::vector<int>& level, const CancelToken& cancel) {
  std::vector<CachePiece> pieces;
  std::vector<ComputedNode> computed;
  for (const int node : level) {
    const PrefixNode& plan = plan_.nodes[node];
    const int from = Nearest(plan.parent);
    const int64_t begin = EndOf(from);
    nodes_[node].cache = Begin(from, plan.end);
    const auto tokens = sequences_[plan.sequence].tokens.subspan(begin, plan.end - begin);
    const int64_t first_wanted = std::max(int64_t{0}, nodes_[node].first_wanted - begin);
    pieces.push_back({nodes_[node].cache.get(), tokens, static_cast<size_t>(first_wanted)});
    computed.push_back({node, from, nodes_[node].first_wanted});
    usage_.computed_prompt_tokens += static_cast<int64_t>(tokens.size());
  }
  RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> rows, runner_.Forward(pieces, cancel));
  int64_t next_row = 0;
  for (size_t i = 0; i < level.size(); ++i) {
    nodes_[level[i]].state = Node::State::kComputed;
    computed[i].rows = rows.get();
    computed[i].first_row = next_row;
    computed[i].count = static_cast<int64_t>(pieces[i].tokens.size() - pieces[i].first_wanted);
    next_row += computed[i].count;
    if (on_node_) {
      RWKU_RETURN_IF_ERROR(on_node_(computed[i]));
    }
  }
  return absl::OkStatus();
}

// `chosen` holds parents before children. Nodes whose parents are computed pass together.
absl::Status PrefixCaches::Compute(const std::vector<int>& chosen, const CancelToken& cancel) {
  std::vector<int> rest = chosen;
  while (!rest.empty()) {
    std::vector<int> level;
    std::vector<int> later;
    for (const int node : rest) {
      const int parent = Nearest(plan_.nodes[node].parent);
      const bool is_ready = parent == kNoNode || nodes_[parent].state == Node::State::kComputed;
      (is_ready ? level : later).push_back(node);
    }
    RWKU_RETURN_IF_ERROR(ComputeLevel(level, cancel));
    rest = std::move(later);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StartedSequence>> PrefixCaches::Take(size_t most,
                                                                const CancelToken& cancel,
                                                                int64_t beside) {
  if (next_ == 0) {
    RWKU_RETURN_IF_ERROR(CheckRope());
  }
  std::vector<size_t> taken;
  std::vector<int> chosen;
  int64_t tokens = beside;
  while (!done() && taken.size() < most && tokens < pass_tokens_) {
    const size_t sequence = plan_.order[next_];
    const size_t chosen_before = chosen.size();
    // Nobody will give back what is missing.
    const bool is_alone = in_flight_ == 0 && taken.empty() && budget_.in_use() == bytes_in_use_;
    RWKU_ASSIGN_OR_RETURN(const bool is_reserved, Reserve(sequence, is_alone, chosen));
    if (!is_reserved) {
      break;
    }
    taken.push_back(sequence);
    ++next_;
    for (size_t i = chosen_before; i < chosen.size(); ++i) {
      tokens += plan_.nodes[chosen[i]].end - EndOf(Nearest(plan_.nodes[chosen[i]].parent));
    }
    tokens += static_cast<int64_t>(sequences_[sequence].tokens.size()) -
              EndOf(Nearest(parents_[sequence]));
  }
  RWKU_RETURN_IF_ERROR(Compute(chosen, cancel));
  std::vector<StartedSequence> started;
  for (const size_t i : taken) {
    const CachedSequence& sequence = sequences_[i];
    const int node = Nearest(parents_[i]);
    started.push_back(
        {i, node, Begin(node, sequence.capacity), runner_.CacheBytes(sequence.capacity)});
    ++in_flight_;
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    usage_.prompt_tokens += count;
    usage_.computed_prompt_tokens += count - EndOf(node);
  }
  return started;
}

void PrefixCaches::GiveBack(StartedSequence& started) {
  started.cache.reset();
  Free(started.bytes);
  --in_flight_;
}

}  // namespace rwku::engine
