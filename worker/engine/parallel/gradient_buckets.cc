#include "worker/engine/parallel/gradient_buckets.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/time/clock.h"
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "worker/engine/parallel/reach_all.h"

namespace rwku::engine {
namespace {

constexpr char kOperation[] = "exchange of gradients";

// Small first, so that the exchange starts early; then as large as DDP's, which keep the wire full.
constexpr size_t kFirstBucketBytes = size_t{1} << 20;
constexpr size_t kBucketBytes = size_t{25} << 20;

using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

// Sums each bucket as it fills; c10d's own division by the number of ranks is left out.
class SumBuckets final : public c10d::CommHookInterface {
 public:
  SumBuckets(c10::intrusive_ptr<c10d::ProcessGroup> group, std::shared_ptr<GangLink> link,
             Works* works)
      : group_(std::move(group)), link_(std::move(link)), works_(works) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    // One that has ended waits for nothing: an exchange begun now would keep this rank until the
    // transport's time-out.
    if (!link_->failure().ok()) {
      return link_->Broken();
    }
    std::vector<at::Tensor> tensors = {bucket.getBufferRef()};
    const bool on_host = tensors.front().is_cpu();
    const auto work = group_->allreduce(tensors);
    if (on_host) {
      return link_->Breakable(kOperation, work->getFuture());
    }
    // A CUDA future is done when its kernels are queued; whether they ended well, the work knows.
    works_->push_back(work);
    return work->getFuture();
  }

  at::Tensor parseHookResult(const c10::IValue& result) override {
    return c10d::detail::parseCppCommHookResult(result);
  }

 private:
  const c10::intrusive_ptr<c10d::ProcessGroup> group_;
  const std::shared_ptr<GangLink> link_;
  Works* const works_;  // the exchange's
};

class GradientBuckets final : public GradientExchange {
 public:
  GradientBuckets(std::vector<at::Tensor> parameters,
                  const c10::intrusive_ptr<c10d::ProcessGroup>& group,
                  std::shared_ptr<GangLink> link)
      : parameters_(std::move(parameters)), link_(std::move(link)) {
    const std::vector<bool> dense(parameters_.size(), false);
    std::vector<std::vector<size_t>> buckets;
    std::tie(buckets, std::ignore) = c10d::compute_bucket_assignment_by_size(
        parameters_, {kFirstBucketBytes, kBucketBytes}, dense);
    // The backward pass is done with the last weights first.
    std::reverse(buckets.begin(), buckets.end());
    reducer_ = std::make_unique<c10d::Reducer>(
        parameters_, std::move(buckets), group, dense, static_cast<int64_t>(kBucketBytes),
        /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
        std::unordered_map<size_t, std::string>{}, static_cast<int64_t>(kFirstBucketBytes),
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
        std::vector<int64_t>{});
    reducer_->register_comm_hook(std::make_unique<SumBuckets>(group, link_, &works_));
    AttachGradients();
  }

  at::Tensor Attach(const at::Tensor& states) override {
    return ReachAll(states, parameters_, [this] { Begin(); });
  }

  void Finish() override {
    if (!has_begun_) {
      const c10::AutoGradMode grad(true);
      Attach(at::zeros({}, parameters_.front().options().requires_grad(false))).backward();
    }
    for (const auto& work : works_) {
      AwaitWork(work, kOperation, /*on_host=*/false, *link_);
    }
    works_.clear();
    has_begun_ = false;
    // Once, after the first step: in the order in which the weights were ready.
    reducer_->rebuild_buckets();
  }

  bool has_begun() const override { return has_begun_; }

  int64_t peak_bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& parameter : parameters_) {
      bytes += static_cast<int64_t>(parameter.nbytes());
    }
    return bytes;
  }

 private:
  void Begin() {
    has_begun_ = true;
    reducer_->prepare_for_forward();
    reducer_->prepare_for_backward({});
  }

  // Gradients live in the buckets from the start: there is no second copy of them.
  void AttachGradients() {
    const c10::AutoGradMode no_grad(false);
    for (c10d::GradBucket& bucket : reducer_->get_grad_buckets(/*return_zero_tensors=*/false)) {
      const std::vector<at::Tensor> views = bucket.getGradients();
      const std::vector<at::Tensor> parameters = bucket.getParameters();
      for (size_t i = 0; i < views.size(); ++i) {
        parameters[i].mutable_grad() = views[i].zero_();
      }
    }
  }

  const std::vector<at::Tensor> parameters_;
  const std::shared_ptr<GangLink> link_;
  Works works_;  // of this step, on CUDA
  std::unique_ptr<c10d::Reducer> reducer_;
  bool has_begun_ = false;
};

}  // namespace

std::unique_ptr<GradientExchange> MakeGradientBuckets(
    std::vector<at::Tensor> parameters, const c10::intrusive_ptr<c10d::ProcessGroup>& group,
    std::shared_ptr<GangLink> link) {
  return std::make_unique<GradientBuckets>(std::move(parameters), group, std::move(link));
}

void AwaitWork(const c10::intrusive_ptr<c10d::Work>& work, const std::string& operation,
               bool on_host, GangLink& link) {
  if (on_host) {
    const auto future = link.Breakable(operation, work->getFuture());
    future->wait();
    future->value();  // throws
    return;
  }
  while (!work->isCompleted()) {
    if (const absl::Status failure = link.failure(); !failure.ok()) {
      C10_THROW_ERROR(DistBackendError, std::string(failure.message()));
    }
    absl::SleepFor(absl::Microseconds(50));
  }
  if (const std::exception_ptr error = work->exception()) {
    std::rethrow_exception(error);
  }
}

}  // namespace rwku::engine
