#include "worker/engine/train/hidden_losses.h"

#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "base/random.h"
#include "worker/engine/model/to_device.h"

namespace rwku::engine {

at::Tensor LayerStates(const CausalLm& model, const LabelledPack& pack, int64_t layer) {
  // A label stands one position after the one that predicts it.
  return pack.Through(model.LayerOutput(pack.input, layer)).index_select(0, pack.positions + 1);
}

at::Tensor BackwardHiddenDistance(const CausalLm& model, const LabelledPack& pack, int64_t layer,
                                  const at::Tensor& target, const BatchScale& scale) {
  std::vector<float> weights;
  int64_t begin = 0;
  for (const int64_t end : pack.ends) {
    weights.insert(weights.end(), static_cast<size_t>(end - begin),
                   static_cast<float>(scale.weight / static_cast<double>(scale.items) /
                                      static_cast<double>(end - begin)));
    begin = end;
  }
  if (weights.empty()) {
    return at::zeros({}, at::TensorOptions(model.device()).dtype(at::kDouble));
  }
  const at::Tensor states = LayerStates(model, pack, layer).to(at::kFloat);
  const at::Tensor distances = (states - target.to(at::kFloat)).pow(2).mean(-1);
  const at::Tensor loss =
      (distances * ToDevice(at::tensor(weights, at::kFloat), model.device())).sum(at::kDouble);
  loss.backward();
  return loss.detach();
}

at::Tensor RandomDirection(uint64_t seed, int64_t size) {
  Random random(seed, "rmu direction");
  std::vector<double> values;
  double square = 0;
  for (int64_t i = 0; i < size; ++i) {
    values.push_back(random.Uniform());
    square += values.back() * values.back();
  }
  return at::tensor(values, at::kDouble).div_(std::sqrt(square)).to(at::kFloat);
}

}  // namespace rwku::engine
