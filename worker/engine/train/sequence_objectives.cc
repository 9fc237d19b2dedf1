#include "worker/engine/train/sequence_objectives.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

// A function of an item's summed NLLs, one a sequence.
struct ItemLoss {
  double value = 0;
  std::vector<double> by_nll;  // derivatives by the sums
};

double LogSigmoid(double x) {
  return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
}

double Sigmoid(double x) { return std::exp(LogSigmoid(x)); }

// `labels` and `nll` hold the item's sequences; `reference` too where the objective has one.
ItemLoss Evaluate(const TrainingPlan& plan, absl::Span<const double> nll,
                  absl::Span<const double> reference, absl::Span<const int64_t> labels) {
  const double beta = plan.beta;
  switch (plan.objective) {
    case Objective::kDpo: {
      const double x = beta * ((reference[0] - nll[0]) - (reference[1] - nll[1]));
      const double slope = beta * Sigmoid(-x);
      return {-LogSigmoid(x), {slope, -slope}};
    }
    case Objective::kSimNpo: {
      const auto tokens = static_cast<double>(std::max<int64_t>(labels[0], 1));
      const double x = beta * (nll[0] / tokens - plan.margin);
      return {-2 / beta * LogSigmoid(x), {-2 * Sigmoid(-x) / tokens}};
    }
    default: {
      const double x = beta * (nll[0] - reference[0]);
      return {-2 / beta * LogSigmoid(x), {-2 * Sigmoid(-x)}};
    }
  }
}

// Summed NLLs of the sequences that end at `ends`, the first beginning at `begin`.
std::vector<double> Sums(const at::Tensor& nll, int64_t begin, absl::Span<const int64_t> ends) {
  const at::Tensor values = nll.to(at::kDouble).cpu().contiguous();
  const auto* const data = values.const_data_ptr<double>();
  std::vector<double> sums;
  int64_t row = begin;
  for (const int64_t end : ends) {
    double sum = 0;
    for (; row < end; ++row) {
      sum += data[row - begin];
    }
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace

at::Tensor BackwardSequenceObjective(const CausalLm& model, const LabelledPack& pack,
                                     const TrainingPlan& plan, const PackReference& reference,
                                     const BatchScale& scale) {
  const size_t per_item = plan.objective == Objective::kDpo ? 2 : 1;
  const at::Tensor hidden = pack.Through(model.Hidden(pack.input)).index_select(0, pack.positions);
  const double weight = scale.weight / static_cast<double>(scale.items);
  std::vector<int64_t> item_ends;
  for (size_t i = per_item - 1; i < pack.ends.size(); i += per_item) {
    item_ends.push_back(pack.ends[i]);
  }
  double loss = 0;
  size_t item = 0;
  // Items whose rows end at or before `last`, from the first that has not been counted; their
  // derivatives by token, from row `begin`.
  const auto take_items = [&](int64_t begin, int64_t last, const at::Tensor* nll) {
    std::vector<float> by_token;
    for (; item < item_ends.size() && item_ends[item] <= last; ++item) {
      const size_t first = item * per_item;
      const absl::Span<const int64_t> ends =
          absl::MakeConstSpan(pack.ends).subspan(first, per_item);
      const int64_t start = first == 0 ? 0 : pack.ends[first - 1];
      std::vector<int64_t> labels;
      for (size_t i = 0; i < per_item; ++i) {
        labels.push_back(ends[i] - (i == 0 ? start : ends[i - 1]));
      }
      const std::vector<double> sums =
          nll == nullptr ? std::vector<double>(per_item, 0)
                         : Sums(nll->slice(0, start - begin, item_ends[item] - begin), start, ends);
      absl::Span<const double> references = reference.nll;
      if (!references.empty()) {
        references = references.subspan(first, per_item);
      }
      const ItemLoss result = Evaluate(plan, sums, references, labels);
      loss += weight * result.value;
      for (size_t i = 0; i < per_item; ++i) {
        by_token.insert(by_token.end(), static_cast<size_t>(labels[i]),
                        static_cast<float>(weight * result.by_nll[i]));
      }
    }
    return by_token;
  };
  // A token's derivative needs the sum over its sequence, and of a pair's other one: no chunk
  // splits an item.
  BackwardThroughHead(model, hidden, pack.targets, WholeGroupChunkEnds(model, item_ends),
                      [&](int64_t begin, const at::Tensor& nll) {
                        const std::vector<float> by_token =
                            take_items(begin, begin + nll.size(0), &nll);
                        return at::tensor(by_token, at::kFloat).to(nll.device());
                      });
  take_items(0, pack.targets.size(0), nullptr);  // items without a label, in no chunk
  return at::zeros({}, hidden.options().dtype(at::kDouble).requires_grad(false)).fill_(loss);
}

std::vector<double> SequenceNll(const CausalLm& model, const LabelledPack& pack) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor hidden = model.Hidden(pack.input).index_select(0, pack.positions);
  return Sums(TokenNll(model, hidden, pack.targets), 0, pack.ends);
}

}  // namespace rwku::engine
