#include "worker/engine/train/token_loss.h"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "worker/engine/memory/logit_chunk.h"

namespace rwku::engine {
namespace {

struct ChunkLoss {
  at::Tensor exponentials;  // [n, vocab] float32, exp(logit - largest logit)
  at::Tensor sums;          // [n, 1], of the row's exponentials
  at::Tensor nll;           // [n]
};

// Writes over `logits`; `targets` is [n, 1].
ChunkLoss Evaluate(at::Tensor& logits, const at::Tensor& targets) {
  ChunkLoss loss;
  logits.sub_(logits.amax(-1, /*keepdim=*/true));
  const at::Tensor labelled = logits.gather(-1, targets);
  loss.exponentials = logits.exp_();
  loss.sums = loss.exponentials.sum(-1, /*keepdim=*/true);
  loss.nll = (loss.sums.log() - labelled).squeeze(-1);
  return loss;
}

// `hidden` is of the dtype of the head's weight.
at::Tensor ChunkLogits(const at::Tensor& hidden, const at::Tensor& weight) {
  return at::linear(hidden, weight).to(at::kFloat);
}

void AddHeadGradient(const at::Tensor& weight, const at::Tensor& logit_gradient,
                     const at::Tensor& hidden) {
  at::Tensor& gradient = weight.mutable_grad();
  if (!gradient.defined()) {
    gradient = at::zeros_like(weight);
  }
  gradient.addmm_(logit_gradient.t(), hidden);
}

}  // namespace

int64_t LogitChunkRows(const CausalLm& model) {
  return LogitChunkRows(model.device().is_cuda(), model.config().vocab_size);
}

std::vector<int64_t> ChunkEnds(const CausalLm& model, int64_t count) {
  const int64_t rows = LogitChunkRows(model);
  std::vector<int64_t> ends;
  for (int64_t begin = 0; begin < count; begin += rows) {
    ends.push_back(std::min(begin + rows, count));
  }
  return ends;
}

std::vector<int64_t> WholeGroupChunkEnds(const CausalLm& model,
                                         const std::vector<int64_t>& group_ends) {
  const int64_t rows = LogitChunkRows(model);
  std::vector<int64_t> ends;
  int64_t begin = 0;
  int64_t last = 0;
  for (const int64_t end : group_ends) {
    if (end - begin > rows && last > begin) {
      ends.push_back(last);
      begin = last;
    }
    last = end;
  }
  if (last > begin) {
    ends.push_back(last);
  }
  return ends;
}

at::Tensor TokenNll(const CausalLm& model, const at::Tensor& hidden, const at::Tensor& targets) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor weight = model.lm_head.weight.detach();
  const at::Tensor values = hidden.detach().to(weight.scalar_type());
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (const int64_t end : ChunkEnds(model, values.size(0))) {
    at::Tensor logits = ChunkLogits(values.slice(0, begin, end), weight);
    parts.push_back(Evaluate(logits, targets.slice(0, begin, end).unsqueeze(-1)).nll);
    begin = end;
  }
  return parts.empty() ? at::empty({0}, hidden.options().dtype(at::kFloat)) : at::cat(parts);
}

void BackwardThroughLogits(const CausalLm& model, const at::Tensor& hidden,
                           const std::vector<int64_t>& chunk_ends, const LogitGradient& gradient) {
  if (chunk_ends.empty()) {
    return;
  }
  const at::Tensor weight = model.lm_head.weight.detach();
  const at::Tensor values = hidden.detach().to(weight.scalar_type());
  at::Tensor hidden_gradient = at::empty_like(values);
  {
    const c10::AutoGradMode no_grad(false);
    int64_t begin = 0;
    for (const int64_t end : chunk_ends) {
      const at::Tensor rows = values.slice(0, begin, end);
      at::Tensor logits = ChunkLogits(rows, weight);
      gradient(begin, logits);
      const at::Tensor logit_gradient = logits.to(values.scalar_type());
      at::Tensor out = hidden_gradient.slice(0, begin, end);
      at::mm_out(out, logit_gradient, weight);
      if (model.lm_head.weight.requires_grad()) {
        AddHeadGradient(model.lm_head.weight, logit_gradient, rows);
      }
      begin = end;
    }
  }
  // Where only the head trains, nothing before it wants a gradient.
  if (hidden.requires_grad()) {
    hidden.backward(hidden_gradient.to(hidden.scalar_type()));
  }
}

void BackwardThroughHead(const CausalLm& model, const at::Tensor& hidden, const at::Tensor& targets,
                         const std::vector<int64_t>& chunk_ends, const LossWeights& weights) {
  BackwardThroughLogits(model, hidden, chunk_ends, [&](int64_t begin, at::Tensor& logits) {
    const at::Tensor labels = targets.slice(0, begin, begin + logits.size(0)).unsqueeze(-1);
    ChunkLoss loss = Evaluate(logits, labels);
    const at::Tensor by_nll = weights(begin, loss.nll).unsqueeze(-1);
    // dNLL/dlogit = softmax - onehot(label).
    logits.mul_(by_nll / loss.sums);
    logits.scatter_add_(-1, labels, -by_nll);
  });
}

}  // namespace rwku::engine
