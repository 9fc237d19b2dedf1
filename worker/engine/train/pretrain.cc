#include "worker/engine/train/pretrain.h"

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "base/status_macros.h"
#include "worker/engine/model/to_device.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/token_loss.h"

namespace rwku::engine {
namespace {

AdamWOptions OptimizerOptions(const PretrainOptions& options) {
  AdamWOptions result;
  result.beta1 = options.beta1;
  result.beta2 = options.beta2;
  result.weight_decay = options.weight_decay;
  result.max_gradient_norm = options.max_gradient_norm;
  return result;
}

struct WeightedPack {
  PackedSequences input;
  at::Tensor positions;  // [N] that have a label of positive weight
  at::Tensor targets;    // [N]
  at::Tensor weights;    // [N] float32, of sum 1
};

absl::StatusOr<WeightedPack> Pack(absl::Span<const PretrainRow> rows, const CausalLm& model) {
  std::vector<std::vector<int32_t>> sequences;
  std::vector<int64_t> positions;
  std::vector<int64_t> targets;
  std::vector<float> weights;
  double total = 0;
  int64_t offset = 0;
  for (const PretrainRow& row : rows) {
    if (row.tokens.empty() || row.tokens.size() != row.weights.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("rows[", sequences.size(), "]: ", row.tokens.size(), " tokens and ",
                       row.weights.size(), " weights, must be as many and not none"));
    }
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      if (row.tokens[i] < 0 || row.tokens[i] >= model.config().vocab_size) {
        return absl::InvalidArgumentError(absl::StrCat("rows[", sequences.size(), "]: token ",
                                                       row.tokens[i], ", the model knows 0 to ",
                                                       model.config().vocab_size - 1));
      }
      if (i > 0 && row.weights[i] > 0) {
        positions.push_back(offset + static_cast<int64_t>(i) - 1);
        targets.push_back(row.tokens[i]);
        weights.push_back(row.weights[i]);
        total += row.weights[i];
      }
    }
    offset += static_cast<int64_t>(row.tokens.size());
    sequences.push_back(row.tokens);
  }
  if (weights.empty()) {
    return absl::InvalidArgumentError("rows: no token has a positive weight");
  }
  WeightedPack pack;
  pack.input = MakePacked(sequences, model.device());
  pack.positions = ToDevice(at::tensor(positions, at::kLong), model.device());
  pack.targets = ToDevice(at::tensor(targets, at::kLong), model.device());
  pack.weights = ToDevice(at::tensor(weights, at::kFloat).div_(total), model.device());
  return pack;
}

}  // namespace

Pretrainer::Pretrainer(CausalLm* model, const PretrainOptions& options)
    : model_(model),
      options_(options),
      weights_(model, TrainedWeights::kFull),
      optimizer_(weights_.tensors(), OptimizerOptions(options)) {}

absl::StatusOr<double> Pretrainer::Step(absl::Span<const PretrainRow> rows) {
  return CatchTorch([&]() -> absl::StatusOr<double> {
    const c10::AutoGradMode grad(true);
    RWKU_ASSIGN_OR_RETURN(const WeightedPack pack, Pack(rows, *model_));
    const at::Tensor hidden = model_->Hidden(pack.input).index_select(0, pack.positions);
    at::Tensor loss = at::zeros({}, pack.weights.options().dtype(at::kDouble));
    BackwardThroughHead(*model_, hidden, pack.targets, ChunkEnds(*model_, pack.targets.size(0)),
                        [&](int64_t begin, const at::Tensor& nll) {
                          const at::Tensor weights =
                              pack.weights.slice(0, begin, begin + nll.size(0));
                          loss.add_((nll * weights).sum(at::kDouble));
                          return weights;
                        });
    const int step = steps_done_ + 1;
    const double value = loss.item<double>();
    const double norm = optimizer_.GradientNorm().item<double>();
    if (!std::isfinite(value) || !std::isfinite(norm)) {
      return absl::DataLossError(absl::StrCat("step ", step, " of ", options_.total_steps,
                                              ": loss ", value, ", gradient norm ", norm));
    }
    optimizer_.Step(
        options_.learning_rate * WarmupTimesCosine(step, options_.warmup_steps,
                                                   options_.total_steps, options_.final_fraction),
        norm);
    steps_done_ = step;
    return value;
  });
}

}  // namespace rwku::engine
