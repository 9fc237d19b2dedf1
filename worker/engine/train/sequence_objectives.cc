#include "worker/engine/train/sequence_objectives.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "worker/engine/model/to_device.h"
#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

// A function of each item's summed NLLs, float64 on the device.
struct ItemLosses {
  at::Tensor values;  // [items]
  at::Tensor by_nll;  // [sequences], derivatives of each item's by the sums
};

// What the losses know of each sequence beside its NLL, [sequences] float64 on the device.
struct SequenceFacts {
  at::Tensor reference;  // undefined where the objective has none
  at::Tensor labels;     // how many, at least 1
};

// Of consecutive sequences, whole items; `nll` holds their sums.
ItemLosses Evaluate(const TrainingPlan& plan, const at::Tensor& nll, const SequenceFacts& facts) {
  const double beta = plan.beta;
  switch (plan.objective) {
    case Objective::kDpo: {
      const at::Tensor gain = (facts.reference - nll).view({-1, 2});
      const at::Tensor x = beta * (gain.select(1, 0) - gain.select(1, 1));
      const at::Tensor slope = beta * at::sigmoid(-x);
      return {-at::log_sigmoid(x), at::stack({slope, -slope}, 1).view({-1})};
    }
    case Objective::kSimNpo: {
      const at::Tensor x = beta * (nll / facts.labels - plan.margin);
      return {at::log_sigmoid(x) * (-2 / beta), at::sigmoid(-x) * -2 / facts.labels};
    }
    default: {
      const at::Tensor x = beta * (nll - facts.reference);
      return {at::log_sigmoid(x) * (-2 / beta), at::sigmoid(-x) * -2};
    }
  }
}

// Summed NLLs, float64, of the sequences whose rows end at `ends`, the first beginning at `begin`;
// row `first` is the first of `nll`. Each sum is one of its own rows alone: the same bits whatever
// stands beside them.
at::Tensor Sums(const at::Tensor& nll, int64_t first, int64_t begin,
                absl::Span<const int64_t> ends) {
  std::vector<at::Tensor> sums;
  sums.reserve(ends.size());
  for (const int64_t end : ends) {
    sums.push_back(nll.slice(0, begin - first, end - first).sum(at::kDouble));
    begin = end;
  }
  return at::stack(sums);
}

// Of each sequence, [sequences] float64.
at::Tensor LabelCounts(const LabelledPack& pack, at::Device device) {
  std::vector<double> counts;
  int64_t begin = 0;
  for (const int64_t end : pack.ends) {
    counts.push_back(static_cast<double>(std::max<int64_t>(end - begin, 1)));
    begin = end;
  }
  return ToDevice(at::tensor(counts, at::kDouble), device);
}

// Of each row, the sequence that it belongs to, [N] int64.
at::Tensor SequenceOfRow(const LabelledPack& pack, at::Device device) {
  std::vector<int64_t> sequences;
  for (size_t i = 0; i < pack.ends.size(); ++i) {
    sequences.resize(static_cast<size_t>(pack.ends[i]), static_cast<int64_t>(i));
  }
  return ToDevice(at::tensor(sequences, at::kLong), device);
}

}  // namespace

at::Tensor BackwardSequenceObjective(const CausalLm& model, const LabelledPack& pack,
                                     const TrainingPlan& plan, const PackReference& reference,
                                     const BatchScale& scale) {
  const size_t per_item = plan.objective == Objective::kDpo ? 2 : 1;
  const at::Device device = model.device();
  const at::Tensor hidden = pack.Through(model.Hidden(pack.input)).index_select(0, pack.positions);
  const double weight = scale.weight / static_cast<double>(scale.items);
  std::vector<int64_t> item_ends;
  for (size_t i = per_item - 1; i < pack.ends.size(); i += per_item) {
    item_ends.push_back(pack.ends[i]);
  }
  SequenceFacts facts{{}, LabelCounts(pack, device)};
  if (!reference.nll.empty()) {
    facts.reference = ToDevice(at::tensor(reference.nll, at::kDouble), device);
  }
  const at::Tensor sequence_of_row = SequenceOfRow(pack, device);
  at::Tensor loss = at::zeros({}, at::TensorOptions(device).dtype(at::kDouble));
  size_t item = 0;
  // Adds the losses of the items whose rows end at or before `last`, from the first that has not
  // been counted; `nll` are the rows from `begin`. Returns the derivatives by these rows.
  const auto take_items = [&](int64_t begin, int64_t last, const at::Tensor& nll) {
    const size_t from = item;
    while (item < item_ends.size() && item_ends[item] <= last) {
      ++item;
    }
    const auto first = static_cast<int64_t>(from * per_item);
    const auto count = static_cast<int64_t>((item - from) * per_item);
    if (count == 0) {
      return at::Tensor();
    }
    const SequenceFacts own{
        facts.reference.defined() ? facts.reference.narrow(0, first, count) : at::Tensor(),
        facts.labels.narrow(0, first, count)};
    const at::Tensor sums =
        Sums(nll, begin, first == 0 ? 0 : pack.ends[static_cast<size_t>(first) - 1],
             absl::MakeConstSpan(pack.ends).subspan(static_cast<size_t>(first),
                                                    static_cast<size_t>(count)));
    const ItemLosses losses = Evaluate(plan, sums, own);
    loss.add_(losses.values.sum(), weight);
    return (losses.by_nll * weight)
        .to(at::kFloat)
        .index_select(0, sequence_of_row.slice(0, begin, last) - first);
  };
  // A token's derivative needs the sum over its sequence, and of a pair's other one: no chunk
  // splits an item.
  BackwardThroughHead(model, hidden, pack.targets, WholeGroupChunkEnds(model, item_ends),
                      [&](int64_t begin, const at::Tensor& nll) {
                        return take_items(begin, begin + nll.size(0), nll);
                      });
  // Items without a label at the end are in no chunk.
  const int64_t rows = pack.targets.size(0);
  take_items(rows, rows, at::zeros({0}, loss.options().dtype(at::kFloat)));
  return loss;
}

at::Tensor SequenceNll(const CausalLm& model, const LabelledPack& pack) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor hidden = model.Hidden(pack.input).index_select(0, pack.positions);
  return Sums(TokenNll(model, hidden, pack.targets), 0, 0, pack.ends);
}

}  // namespace rwku::engine
