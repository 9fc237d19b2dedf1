#include "worker/engine/train/objective.h"

#include <ATen/TensorOperators.h>

#include "base/check.h"
#include "worker/engine/train/distribution_losses.h"
#include "worker/engine/train/hidden_losses.h"
#include "worker/engine/train/sequence_objectives.h"
#include "worker/engine/train/token_objectives.h"

namespace rwku::engine {

ReferenceKind ReferenceOf(Objective objective) {
  switch (objective) {
    case Objective::kNpo:
    case Objective::kDpo:
      return ReferenceKind::kNll;
    case Objective::kUndial:
      return ReferenceKind::kLabelStates;
    default:
      return ReferenceKind::kNone;
  }
}

ReferenceKind ReferenceOf(RetainTerm term) {
  switch (term) {
    case RetainTerm::kKl:
      return ReferenceKind::kPositionStates;
    case RetainTerm::kHidden:
      return ReferenceKind::kLayerStates;
    default:
      return ReferenceKind::kNone;
  }
}

at::Tensor StatesOf(ReferenceKind kind, const CausalLm& model, const LabelledPack& pack,
                    int layer) {
  switch (kind) {
    case ReferenceKind::kLabelStates:
      return LabelStates(model, pack);
    case ReferenceKind::kPositionStates:
      return PositionStates(model, pack);
    case ReferenceKind::kLayerStates:
      return LayerStates(model, pack, layer);
    default:
      return {};
  }
}

at::Tensor BackwardForget(const CausalLm& model, const LabelledPack& pack, const TrainingPlan& plan,
                          const PackReference& reference, const at::Tensor& direction,
                          const BatchScale& scale) {
  switch (plan.objective) {
    case Objective::kNpo:
    case Objective::kDpo:
    case Objective::kSimNpo:
      return BackwardSequenceObjective(model, pack, plan, reference, scale);
    case Objective::kCeu:
      return BackwardCeu(model, pack, scale);
    case Objective::kUndial:
      return BackwardUndial(model, pack, plan.beta, reference, scale);
    case Objective::kRmu:
      return BackwardHiddenDistance(model, pack, plan.layer, direction * plan.strength, scale);
    case Objective::kCausalLm:
    case Objective::kGradientAscent:
    case Objective::kWga:
    case Objective::kSatImp:
      break;
  }
  return BackwardTokenObjective(model, pack, plan, scale);
}

at::Tensor BackwardRetain(const CausalLm& model, const LabelledPack& pack, const TrainingPlan& plan,
                          const PackReference& reference, const BatchScale& scale) {
  switch (plan.retain.term) {
    case RetainTerm::kKl:
      return BackwardKl(model, pack, reference, scale);
    case RetainTerm::kHidden:
      return BackwardHiddenDistance(model, pack, plan.layer, reference.states, scale);
    default:
      RWKU_CHECK(plan.retain.term == RetainTerm::kNll);
      return BackwardNll(model, pack, scale);
  }
}

}  // namespace rwku::engine
