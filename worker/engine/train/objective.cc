#include "worker/engine/train/objective.h"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

// Mean over the labelled tokens, or minus that; no chunk needs to know the others.
void BackwardMean(const LlamaModel& model, const at::Tensor& hidden, const LabelledPack& pack,
                  double weight, at::Tensor* loss) {
  BackwardThroughHead(model, hidden, pack.targets, ChunkEnds(model, pack.targets.size(0)),
                      [&](int64_t /*begin*/, const at::Tensor& nll) {
                        loss->add_(nll.sum(at::kDouble), weight);
                        return at::full_like(nll, weight);
                      });
}

// -(2/beta) log sigmoid(beta (NLL - NLL_ref)) of each text, times `weight`. A text is a chunk,
// since its derivative needs the sum over its tokens.
void BackwardNpo(const LlamaModel& model, const at::Tensor& hidden, const LabelledPack& pack,
                 double beta, const std::vector<double>& reference_nll, double weight,
                 at::Tensor* loss) {
  std::vector<int64_t> chunk_ends;
  std::vector<double> references;
  int64_t begin = 0;
  for (size_t i = 0; i < pack.text_ends.size(); ++i) {
    if (pack.text_ends[i] == begin) {
      loss->add_(at::log_sigmoid(at::full_like(*loss, -beta * reference_nll[i])),
                 -2 / beta * weight);
      continue;
    }
    begin = pack.text_ends[i];
    chunk_ends.push_back(begin);
    references.push_back(reference_nll[i]);
  }
  size_t chunk = 0;
  BackwardThroughHead(
      model, hidden, pack.targets, chunk_ends, [&](int64_t /*begin*/, const at::Tensor& nll) {
        const at::Tensor scaled = (nll.sum(at::kDouble) - references[chunk++]) * beta;
        loss->add_(at::log_sigmoid(scaled), -2 / beta * weight);
        return (at::sigmoid(-scaled) * (-2 * weight)).to(at::kFloat).expand_as(nll);
      });
}

}  // namespace

at::Tensor BackwardPack(const LlamaModel& model, const LabelledPack& pack, Objective objective,
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

std::vector<double> TextNll(const LlamaModel& model, const LabelledPack& pack) {
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
