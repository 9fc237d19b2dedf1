#include "worker/engine/parallel/gradient_shards.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include "worker/engine/parallel/gradient_buckets.h"
#include "worker/engine/parallel/reach_all.h"

namespace rwku::engine {
namespace {

constexpr char kOperation[] = "exchange of gradients";

using torch::autograd::variable_list;

class GradientShards final : public GradientExchange {
 public:
  GradientShards(std::vector<at::Tensor> parameters, std::vector<int> owners,
                 c10::intrusive_ptr<c10d::ProcessGroup> group, std::shared_ptr<GangLink> link)
      : parameters_(std::move(parameters)),
        owners_(std::move(owners)),
        group_(std::move(group)),
        link_(std::move(link)),
        is_ready_(parameters_.size(), false) {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      largest_bytes_ = std::max(largest_bytes_, static_cast<int64_t>(parameters_[i].nbytes()));
      auto accumulator = torch::autograd::impl::grad_accumulator(parameters_[i]);
      const uintptr_t key =
          accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
              [this, i](const variable_list& outputs, const variable_list& /*inputs*/) {
                if (has_begun_) {
                  is_ready_[i] = true;
                  Launch();
                }
                return outputs;
              }));
      hooks_.push_back({std::move(accumulator), key});
    }
  }

  ~GradientShards() override {
    for (const Hook& hook : hooks_) {
      hook.accumulator->del_post_hook(hook.key);
    }
  }
  GradientShards(const GradientShards&) = delete;
  GradientShards& operator=(const GradientShards&) = delete;

  at::Tensor Attach(const at::Tensor& states) override {
    return ReachAll(states, parameters_, [this] { has_begun_ = true; });
  }

  void Finish() override {
    // What no pass reached; all of it where there was none.
    has_begun_ = true;
    is_ready_.assign(parameters_.size(), true);
    Launch();
    while (!in_flight_.empty()) {
      AwaitOldest();
    }
    for (const auto& work : works_) {
      AwaitWork(work, kOperation, /*on_host=*/false, *link_);
    }
    works_.clear();
    is_ready_.assign(parameters_.size(), false);
    launched_ = 0;
    has_begun_ = false;
  }

  bool has_begun() const override { return has_begun_; }

  int64_t peak_bytes() const override { return peak_bytes_; }

 private:
  struct Hook {
    std::shared_ptr<torch::autograd::Node> accumulator;
    uintptr_t key = 0;
  };

  struct Reduction {
    at::Tensor gradient;
    c10::intrusive_ptr<c10d::Work> work;
  };

  // The last weights first, as a backward pass is done with them; the same order on every rank.
  void Launch() {
    while (launched_ < parameters_.size() && is_ready_[parameters_.size() - 1 - launched_]) {
      Reduce(parameters_.size() - 1 - launched_);
      ++launched_;
    }
  }

  void Reduce(size_t index) {
    const c10::AutoGradMode no_grad(false);
    if (const absl::Status failure = link_->failure(); !failure.ok()) {
      C10_THROW_ERROR(DistBackendError, std::string(failure.message()));
    }
    const at::Tensor& parameter = parameters_[index];
    at::Tensor gradient = parameter.grad();
    if (!gradient.defined()) {
      gradient = at::zeros_like(parameter);
    }
    const auto bytes = static_cast<int64_t>(gradient.nbytes());
    while (!in_flight_.empty() && in_flight_bytes_ + bytes > largest_bytes_) {
      AwaitOldest();
    }
    c10d::ReduceOptions options;
    options.rootRank = owners_[index];
    std::vector<at::Tensor> tensors = {gradient};
    in_flight_.push_back({gradient, group_->reduce(tensors, options)});
    in_flight_bytes_ += bytes;
    Count();
    // The owner's holds the sum of all passes so far; the others' is needed no more.
    if (owners_[index] == group_->getRank()) {
      parameter.mutable_grad() = gradient;
    } else {
      parameter.mutable_grad().reset();
    }
  }

  void AwaitOldest() {
    const Reduction oldest = std::move(in_flight_.front());
    in_flight_.pop_front();
    in_flight_bytes_ -= static_cast<int64_t>(oldest.gradient.nbytes());
    if (oldest.gradient.is_cpu()) {
      AwaitWork(oldest.work, kOperation, /*on_host=*/true, *link_);
      return;
    }
    // Here the device alone waits; whether it ended well, Finish() asks.
    oldest.work->wait();
    works_.push_back(oldest.work);
  }

  void Count() {
    int64_t bytes = in_flight_bytes_;
    for (const at::Tensor& parameter : parameters_) {
      const at::Tensor& gradient = parameter.grad();
      const bool is_counted =
          gradient.defined() &&
          std::any_of(in_flight_.begin(), in_flight_.end(), [&](const Reduction& reduction) {
            return reduction.gradient.is_same(gradient);
          });
      if (gradient.defined() && !is_counted) {
        bytes += static_cast<int64_t>(gradient.nbytes());
      }
    }
    peak_bytes_ = std::max(peak_bytes_, bytes);
  }

  const std::vector<at::Tensor> parameters_;
  const std::vector<int> owners_;
  const c10::intrusive_ptr<c10d::ProcessGroup> group_;
  const std::shared_ptr<GangLink> link_;
  std::vector<Hook> hooks_;
  int64_t largest_bytes_ = 0;
  std::vector<bool> is_ready_;
  size_t launched_ = 0;               // of the parameters, from the last
  std::deque<Reduction> in_flight_;   // together no larger than the largest weight
  int64_t in_flight_bytes_ = 0;
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;  // of this pass, on CUDA
  int64_t peak_bytes_ = 0;
  bool has_begun_ = false;
};

}  // namespace

std::unique_ptr<GradientExchange> MakeGradientShards(
    std::vector<at::Tensor> parameters, std::vector<int> owners,
    const c10::intrusive_ptr<c10d::ProcessGroup>& group, std::shared_ptr<GangLink> link) {
  return std::make_unique<GradientShards>(std::move(parameters), std::move(owners), group,
                                          std::move(link));
}

}  // namespace rwku::engine
