#include "worker/engine/train/distribution_losses.h"

#include <algorithm>
#include <functional>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

// log p of the other distribution for rows [begin, begin + n), [n, vocab] float32; `logits` are the
// model's own.
using OtherDistribution = std::function<at::Tensor(int64_t begin, const at::Tensor& logits)>;

// Cross-entropy against `other`, less the other's entropy if `less_entropy`; each row counts
// `weight`.
at::Tensor BackwardAgainst(const CausalLm& model, const at::Tensor& hidden, double weight,
                           bool less_entropy, const OtherDistribution& other) {
  at::Tensor loss = at::zeros({}, hidden.options().dtype(at::kDouble).requires_grad(false));
  BackwardThroughLogits(model, hidden, ChunkEnds(model, hidden.size(0)),
                        [&](int64_t begin, at::Tensor& logits) {
                          const at::Tensor other_log_p = other(begin, logits);
                          const at::Tensor other_p = other_log_p.exp();
                          const at::Tensor log_p = logits.log_softmax(-1);
                          // A token that the other rules out has log p -infinity there.
                          const at::Tensor gap = less_entropy ? other_log_p - log_p : -log_p;
                          loss.add_((other_p * gap).sum(at::kDouble), weight);
                          at::exp_out(logits, log_p).sub_(other_p).mul_(weight);
                        });
  return loss;
}

// Logits of the original model for rows [begin, begin + n).
at::Tensor ReferenceLogits(const PackReference& reference, int64_t begin, int64_t rows) {
  const at::Tensor states = reference.states.slice(0, begin, begin + rows);
  return at::linear(states.to(reference.head.scalar_type()), reference.head).to(at::kFloat);
}

double MeanWeight(double weight, int64_t count) {
  return weight / static_cast<double>(std::max<int64_t>(count, 1));
}

at::Tensor Labels(const LabelledPack& pack, int64_t begin, const at::Tensor& logits) {
  return pack.targets.slice(0, begin, begin + logits.size(0)).unsqueeze(-1);
}

}  // namespace

at::Tensor BackwardCeu(const CausalLm& model, const LabelledPack& pack, const BatchScale& scale) {
  return BackwardAgainst(model, LabelStates(model, pack), MeanWeight(scale.weight, scale.labelled),
                         /*less_entropy=*/false, [&](int64_t begin, const at::Tensor& logits) {
                           return logits
                               .scatter(-1, Labels(pack, begin, logits),
                                        -std::numeric_limits<float>::infinity())
                               .log_softmax(-1);
                         });
}

at::Tensor BackwardUndial(const CausalLm& model, const LabelledPack& pack, double beta,
                          const PackReference& reference, const BatchScale& scale) {
  return BackwardAgainst(model, LabelStates(model, pack), MeanWeight(scale.weight, scale.labelled),
                         /*less_entropy=*/false, [&](int64_t begin, const at::Tensor& logits) {
                           at::Tensor lowered = ReferenceLogits(reference, begin, logits.size(0));
                           const at::Tensor labels = Labels(pack, begin, logits);
                           lowered.scatter_(-1, labels, lowered.gather(-1, labels) - beta);
                           return lowered.log_softmax(-1);
                         });
}

at::Tensor BackwardKl(const CausalLm& model, const LabelledPack& pack,
                      const PackReference& reference, const BatchScale& scale) {
  return BackwardAgainst(model, PositionStates(model, pack),
                         MeanWeight(scale.weight, scale.positions),
                         /*less_entropy=*/true, [&](int64_t begin, const at::Tensor& logits) {
                           return ReferenceLogits(reference, begin, logits.size(0)).log_softmax(-1);
                         });
}

at::Tensor LabelStates(const CausalLm& model, const LabelledPack& pack) {
  return pack.Through(model.Hidden(pack.input)).index_select(0, pack.positions);
}

at::Tensor PositionStates(const CausalLm& model, const LabelledPack& pack) {
  return pack.Through(model.Hidden(pack.input)).index_select(0, AllButLast(pack.input));
}

}  // namespace rwku::engine
