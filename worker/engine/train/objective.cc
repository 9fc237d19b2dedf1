#include "worker/engine/train/objective.h"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

// Mean over the labelled tokens, or minus that; no chunk needs to know the others.
void BackwardMean(const CausalLm& model, const at::Tensor& hidden, const LabelledPack& pack,
                  double weight, at::Tensor* loss) {
  BackwardThroughHead(model, hidden, pack.targets, ChunkEnds(model, pack.targets.size(0)),
                      [&](int64_t /*begin*/, const at::Tensor& nll) {
                        loss->add_(nll.sum(at::kDouble), weight);
                        return at::full_like(nll, weight);
                      });
}

// -(2/beta) log sigmoid(beta (NLL - NLL_ref)) of each text, times `weight`. A token's derivative
// needs the sum over its text, so the NLLs come first and the chunks, which know no texts, after
// them.
void BackwardNpo(const CausalLm& model, const at::Tensor& hidden, const LabelledPack& pack,
                 double beta, const std::vector<double>& reference_nll, double weight,
                 at::Tensor* loss) {
  const at::Tensor nll = TokenNll(model, hidden, pack.targets);
  const at::Tensor weights = at::empty_like(nll);
  int64_t begin = 0;
  for (size_t i = 0; i < pack.text_ends.size(); ++i) {
    const int64_t end = pack.text_ends[i];
    const at::Tensor scaled = (nll.slice(0, begin, end).sum(at::kDouble) - reference_nll[i]) * beta;
    loss->add_(at::log_sigmoid(scaled), -2 / beta * weight);
    weights.slice(0, begin, end).copy_(at::sigmoid(-scaled) * (-2 * weight));
    begin = end;
  }
  BackwardThroughHead(model, hidden, pack.targets, ChunkEnds(model, pack.targets.size(0)),
                      [&](int64_t first, const at::Tensor& chunk) {
                        return weights.slice(0, first, first + chunk.size(0));
                      });
}

}  // namespace

at::Tensor BackwardPack(const CausalLm& model, const LabelledPack& pack, Objective objective,
                        double beta, const std::vector<double>& reference_nll,
                        const BatchScale& scale) {
  const at::Tensor hidden = model.Hidden(pack.input).index_select(0, pack.positions);
  at::Tensor loss = at::zeros({}, hidden.options().dtype(at::kDouble).requires_grad(false));
  if (objective == Objective::kNpo) {
    BackwardNpo(model, hidden, pack, beta, reference_nll,
                scale.share / static_cast<double>(scale.texts), &loss);
  } else {
    const double sign = objective == Objective::kGradientAscent ? -1 : 1;
    const auto labelled = static_cast<double>(std::max<int64_t>(scale.labelled, 1));
    BackwardMean(model, hidden, pack, sign * scale.share / labelled, &loss);
  }
  return loss;
}

std::vector<double> TextNll(const CausalLm& model, const LabelledPack& pack) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor hidden = model.Hidden(pack.input).index_select(0, pack.positions);
  const at::Tensor nll = TokenNll(model, hidden, pack.targets).to(at::kDouble).cpu();
  std::vector<double> sums;
  int64_t begin = 0;
  for (const int64_t end : pack.text_ends) {
    sums.push_back(nll.slice(0, begin, end).sum().item<double>());
    begin = end;
  }
  return sums;
}

}  // namespace rwku::engine
