#include "worker/engine/train/token_objectives.h"

#include <algorithm>
#include <functional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>

#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

at::Tensor BackwardWeighted(const CausalLm& model, const LabelledPack& pack,
                            const BatchScale& scale,
                            const std::function<at::Tensor(const at::Tensor&)>& weights) {
  const at::Tensor hidden = pack.Through(model.Hidden(pack.input)).index_select(0, pack.positions);
  at::Tensor loss = at::zeros({}, hidden.options().dtype(at::kDouble).requires_grad(false));
  const double weight = scale.weight / static_cast<double>(std::max<int64_t>(scale.labelled, 1));
  BackwardThroughHead(model, hidden, pack.targets, ChunkEnds(model, pack.targets.size(0)),
                      [&](int64_t /*begin*/, const at::Tensor& nll) {
                        const at::Tensor by_nll = weights(nll) * weight;
                        loss.add_((by_nll * nll).sum(at::kDouble));
                        return by_nll;
                      });
  return loss;
}

}  // namespace

at::Tensor TokenWeights(const TrainingPlan& plan, const at::Tensor& nll) {
  switch (plan.objective) {
    case Objective::kGradientAscent:
      return at::full_like(nll, -1);
    case Objective::kWga:
      return -(nll * -plan.beta).exp();
    case Objective::kSatImp:
      // 1 - p by expm1: exact where p is almost 1.
      return -(nll * -plan.beta).exp() * (-(-nll).expm1()).clamp_min(0).pow(plan.beta2);
    default:
      return at::full_like(nll, 1);
  }
}

at::Tensor BackwardTokenObjective(const CausalLm& model, const LabelledPack& pack,
                                  const TrainingPlan& plan, const BatchScale& scale) {
  return BackwardWeighted(model, pack, scale,
                          [&](const at::Tensor& nll) { return TokenWeights(plan, nll); });
}

at::Tensor BackwardNll(const CausalLm& model, const LabelledPack& pack, const BatchScale& scale) {
  return BackwardWeighted(model, pack, scale,
                          [](const at::Tensor& nll) { return at::full_like(nll, 1); });
}

}  // namespace rwku::engine
