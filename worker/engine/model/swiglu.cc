#include "worker/engine/model/swiglu.h"

#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"

namespace rwku::engine {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// y = x w' + scale (x a') b' for x = silu(gate) * up; a and b where there is an adapter.
class Product : public torch::autograd::Function<Product> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            const at::Tensor& weight, const std::optional<at::Tensor>& a,
                            const std::optional<at::Tensor>& b, double scale) {
    context->save_for_backward(
        {gate, up, weight, a.value_or(at::Tensor()), b.value_or(at::Tensor())});
    context->saved_data["scale"] = scale;
    const at::Tensor x = at::silu(gate) * up;
    const at::Tensor y = at::linear(x, weight);
    return a ? y + at::linear(at::linear(x, *a), *b) * scale : y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& gate = saved[0];
    const at::Tensor& up = saved[1];
    const at::Tensor& weight = saved[2];
    const at::Tensor& a = saved[3];
    const at::Tensor& b = saved[4];
    const at::Tensor& by_y = gradients[0];
    const at::Tensor activated = at::silu(gate);
    variable_list result(6);
    at::Tensor by_x = at::mm(by_y, weight);
    const bool weight_trains = context->needs_input_grad(2);
    const at::Tensor x = weight_trains || a.defined() ? activated * up : at::Tensor();
    if (weight_trains) {
      result[2] = at::mm(by_y.t(), x);
    }
    if (a.defined()) {
      const at::Tensor scaled = by_y * context->saved_data["scale"].toDouble();
      const at::Tensor by_low = at::mm(scaled, b);
      by_x = by_x + at::mm(by_low, a);
      result[3] = at::mm(by_low.t(), x);
      result[4] = at::mm(scaled.t(), at::linear(x, a));
    }
    if (context->needs_input_grad(0)) {
      result[0] = at::silu_backward(by_x * up, gate);
    }
    if (context->needs_input_grad(1)) {
      result[1] = by_x * activated;
    }
    return result;
  }
};

}  // namespace

at::Tensor SwiGluProduct(const at::Tensor& gate, const at::Tensor& up, const Linear& down) {
  RWKU_CHECK(!down.bias.defined());
  const auto dtype = down.weight.scalar_type();
  std::optional<at::Tensor> a;
  std::optional<at::Tensor> b;
  if (down.adapter) {
    a = down.adapter->a.to(dtype);
    b = down.adapter->b.to(dtype);
  }
  return Product::apply(gate, up, down.weight, a, b, down.adapter ? down.adapter->scale : 1.0);
}

}  // namespace rwku::engine
