// What a training needs of a gang beyond engine.h: sums and copies of tensors, and the exchange of
// gradients while the backward pass still runs. The training knows no transport.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"

namespace rwku::engine {

// Sums the gradients of a fixed list of weights over the ranks, while the backward pass still runs.
// Methods throw torch's exceptions; c10::DistError is a rank or the network. Not thread-safe.
class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  // `states`, equal in value, such that the backward pass through them is the one that ends with
  // the exchange: it sums what the weights' gradients hold by its end. A weight that it does not
  // reach counts with the gradient that it has. At most once an exchange.
  virtual at::Tensor Attach(const at::Tensor& states) = 0;

  // Ends an exchange; every rank calls it as often. Where no backward pass went through Attach's
  // states it exchanges the gradients as they are.
  virtual void Finish() = 0;

  // Whether this exchange has begun: the passes before it can be repeated no more.
  virtual bool has_begun() const = 0;

  // The most that gradients took at once, beside what a backward pass holds for a moment.
  virtual int64_t peak_bytes() const = 0;
};

// Errors are UNAVAILABLE, or RESOURCE_EXHAUSTED where memory ran out here, name this rank, the
// operation and what the transport said, and end the gang. Every rank makes the same calls in the
// same order, within GangPlan::timeout of one another.
class TensorGang : public Gang {
 public:
  // Exchanges once a step, in buckets, each as soon as the backward pass is done with it. Gradients
  // become views of the buckets: they are to be zeroed, not freed, and after an exchange every rank
  // has the same bits in them. `parameters` are leaves that want gradients, equal on every rank;
  // they outlive the exchange, as the gang does.
  virtual absl::StatusOr<std::unique_ptr<GradientExchange>> ExchangeGradients(
      std::vector<at::Tensor> parameters) = 0;

  // Exchanges once a pass, each weight's gradient as soon as the backward pass is done with it:
  // that of rank owners[i] then holds the sum over ranks, and over the exchanges since it was
  // dropped; every other rank's is freed. No more is on its way at a time than the largest weight
  // takes.
  virtual absl::StatusOr<std::unique_ptr<GradientExchange>> ShardGradients(
      std::vector<at::Tensor> parameters, std::vector<int> owners) = 0;

  // The sum over ranks of the one number of `tensor`, in place: the same bits everywhere.
  virtual absl::Status Sum(at::Tensor& tensor) = 0;

  // Makes tensors[i] everywhere what it is on rank owners[i].
  virtual absl::Status Share(absl::Span<const at::Tensor> tensors,
                             absl::Span<const int> owners) = 0;
};

}  // namespace rwku::engine
