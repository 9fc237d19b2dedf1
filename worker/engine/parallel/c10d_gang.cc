#include "worker/engine/parallel/c10d_gang.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <c10/core/GradMode.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "base/status_macros.h"
#include "worker/engine/parallel/gang_link.h"
#include "worker/engine/parallel/gradient_buckets.h"
#include "worker/engine/parallel/gradient_shards.h"
#include "worker/engine/parallel/join_store.h"
#include "worker/engine/parallel/process_group.h"
#include "worker/engine/parallel/rendezvous.h"
#include "worker/engine/parallel/store_thread.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {
namespace {

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

constexpr absl::Duration kLongestPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestTell = absl::Seconds(1);
constexpr absl::Duration kLongestGoodbye = absl::Seconds(10);
// The store refuses values of 8 MiB and more.
constexpr size_t kPartBytes = size_t{4} << 20;

std::string LeftKey(int rank) { return absl::StrCat("left/", rank); }

void SetInParts(c10d::Store& store, const std::string& key, const std::string& bytes) {
  size_t parts = 0;
  for (size_t begin = 0; begin < bytes.size(); begin += kPartBytes) {
    store.set(absl::StrCat(key, "/", parts++),
              BytesOf(absl::string_view(bytes).substr(begin, kPartBytes)));
  }
  store.set(key, BytesOf(absl::StrCat(parts)));
}

int64_t CountParts(c10d::Store& store, const std::string& key) {
  int64_t parts = 0;
  return absl::SimpleAtoi(TextOf(store.get(key)), &parts) ? parts : 0;
}

std::string GetParts(c10d::Store& store, const std::string& key) {
  std::string bytes;
  const int64_t parts = CountParts(store, key);
  for (int64_t i = 0; i < parts; ++i) {
    bytes += TextOf(store.get(absl::StrCat(key, "/", i)));
  }
  return bytes;
}

void DeleteParts(c10d::Store& store, const std::string& key) {
  const int64_t parts = CountParts(store, key);
  for (int64_t i = 0; i < parts; ++i) {
    store.deleteKey(absl::StrCat(key, "/", i));
  }
  store.deleteKey(key);
}

class C10dGang final : public TensorGang {
 public:
  C10dGang(const GangPlan& plan, std::unique_ptr<StoreThread> thread,
           std::shared_ptr<GangLink> link, Group group, bool on_host)
      : plan_(plan),
        thread_(std::move(thread)),
        link_(std::move(link)),
        group_(std::move(group)),
        on_host_(on_host) {
    if (!on_host_) {
      link_->OnFailure([group = group_] { group->abort(); });
    }
  }

  ~C10dGang() override {
    SayGoodbye();
    // Waits for exchanges under way, which end with their peers or their time-out.
    group_.reset();
  }
  C10dGang(const C10dGang&) = delete;
  C10dGang& operator=(const C10dGang&) = delete;

  int rank() const override { return plan_.rank; }
  int world_size() const override { return plan_.world_size; }

  absl::StatusOr<std::vector<std::string>> AllGather(std::string bytes,
                                                     const CancelToken& cancel) override {
    absl::StatusOr<std::vector<std::string>> all = Gather(std::move(bytes), cancel);
    if (all.ok()) {
      return all;
    }
    RWKU_RETURN_IF_ERROR(cancel.Check());
    return Fail("AllGather", all.status());
  }

  void Abort(const absl::Status& why) override { Fail("ended here", why).IgnoreError(); }

  absl::Status failure() const override { return link_->failure(); }

  absl::StatusOr<std::unique_ptr<GradientExchange>> ExchangeGradients(
      std::vector<at::Tensor> parameters) override {
    std::unique_ptr<GradientExchange> exchange;
    RWKU_RETURN_IF_ERROR(Guard("exchange of gradients", [&] {
      exchange = MakeGradientBuckets(std::move(parameters), group_, link_);
    }));
    return exchange;
  }

  absl::StatusOr<std::unique_ptr<GradientExchange>> ShardGradients(
      std::vector<at::Tensor> parameters, std::vector<int> owners) override {
    std::unique_ptr<GradientExchange> exchange;
    RWKU_RETURN_IF_ERROR(Guard("exchange of gradients", [&] {
      exchange = MakeGradientShards(std::move(parameters), std::move(owners), group_, link_);
    }));
    return exchange;
  }

  absl::Status Sum(at::Tensor& tensor) override {
    return Guard("sum", [&] {
      std::vector<at::Tensor> tensors = {tensor};
      AwaitWork(group_->allreduce(tensors), "sum", on_host_, *link_);
    });
  }

  absl::Status Share(absl::Span<const at::Tensor> tensors, absl::Span<const int> owners) override {
    return Guard("share of weights", [&] {
      const c10::AutoGradMode no_grad(false);
      std::vector<c10::intrusive_ptr<c10d::Work>> works;
      works.reserve(tensors.size());
      for (size_t i = 0; i < tensors.size(); ++i) {
        std::vector<at::Tensor> one = {tensors[i].detach()};
        c10d::BroadcastOptions options;
        options.rootRank = owners[i];
        works.push_back(group_->broadcast(one, options));
      }
      for (const auto& work : works) {
        AwaitWork(work, "share of weights", on_host_, *link_);
      }
    });
  }

 private:
  // UNAVAILABLE once the gang has ended.
  absl::Status Ended() const {
    const absl::Status failure = link_->failure();
    return failure.ok() ? failure : absl::UnavailableError(failure.message());
  }

  // Ends the gang and tells the others, who otherwise may see only that this rank's sockets close;
  // returns Ended().
  absl::Status Fail(absl::string_view operation, const absl::Status& why) {
    link_->Fail(operation, why);
    thread_
        ->Call<bool>(
            "tell", kLongestTell, [] { return absl::OkStatus(); },
            [link = link_] {
              link->Beat();
              return true;
            })
        .IgnoreError();
    link_->RunHook();
    return Ended();
  }

  template <typename Fn>
  absl::Status Guard(absl::string_view operation, const Fn& fn) {
    RWKU_RETURN_IF_ERROR(Ended());
    try {
      fn();
      return absl::OkStatus();
    } catch (const std::exception&) {
      const absl::Status why = StatusOfCurrentException();
      if (!absl::IsResourceExhausted(why)) {
        return Fail(operation, absl::UnavailableError(why.message()));
      }
      Fail(operation, why).IgnoreError();
      return link_->failure();
    }
  }

  absl::StatusOr<std::vector<std::string>> Gather(std::string bytes, const CancelToken& cancel) {
    const std::function<absl::Status()> interrupt = [&]() -> absl::Status {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      return link_->failure();
    };
    const auto key_of = [](int64_t number, int rank) {
      return absl::StrCat("gather/", number, "/", rank);
    };
    const auto store = link_->store();
    const int64_t number = gathers_++;
    std::vector<std::string> keys;
    for (int rank = 0; rank < plan_.world_size; ++rank) {
      keys.push_back(key_of(number, rank));
    }
    RWKU_RETURN_IF_ERROR(thread_
                             ->Call<bool>("give", plan_.timeout, interrupt,
                                          [store, key = keys[static_cast<size_t>(plan_.rank)],
                                           bytes = std::move(bytes)] {
                                            SetInParts(*store, key, bytes);
                                            return true;
                                          })
                             .status());
    absl::Duration pause = absl::Milliseconds(1);
    while (true) {
      RWKU_ASSIGN_OR_RETURN(const bool all_gave,
                            thread_->Call<bool>("wait", plan_.timeout, interrupt,
                                                [store, keys] { return store->check(keys); }));
      if (all_gave) {
        break;
      }
      absl::SleepFor(pause);
      pause = std::min(2 * pause, kLongestPause);
    }
    // Whoever gave here has read all of the gathering before.
    return thread_->Call<std::vector<std::string>>(
        "take", plan_.timeout, interrupt,
        [store, keys, old = number == 0 ? "" : key_of(number - 1, plan_.rank)] {
          std::vector<std::string> all;
          all.reserve(keys.size());
          for (const std::string& key : keys) {
            all.push_back(GetParts(*store, key));
          }
          if (!old.empty()) {
            DeleteParts(*store, old);
          }
          return all;
        });
  }

  // The store goes with rank 0: it stays until the others have read all that they want, of a gang
  // that broke why it did, which they look for with each beat.
  void SayGoodbye() {
    const std::function<absl::Status()> interrupt = [] { return absl::OkStatus(); };
    const absl::Duration limit =
        link_->failure().ok() ? std::min(plan_.timeout, kLongestGoodbye) : 3 * BeatInterval(plan_);
    const auto store = link_->store();
    if (plan_.rank != 0) {
      thread_
          ->Call<bool>("leave", limit, interrupt,
                       [store, key = LeftKey(plan_.rank)] {
                         store->set(key, BytesOf("1"));
                         return true;
                       })
          .IgnoreError();
      return;
    }
    std::vector<std::string> keys;
    for (int rank = 1; rank < plan_.world_size; ++rank) {
      keys.push_back(LeftKey(rank));
    }
    for (absl::Duration waited; waited < limit; waited += kLongestPause) {
      const auto all_left = thread_->Call<bool>("leave", limit, interrupt,
                                                [store, keys] { return store->check(keys); });
      if (!all_left.ok() || *all_left) {
        return;
      }
      absl::SleepFor(kLongestPause);
    }
  }

  const GangPlan plan_;
  const std::unique_ptr<StoreThread> thread_;
  const std::shared_ptr<GangLink> link_;
  Group group_;
  const bool on_host_;
  int64_t gathers_ = 0;
};

// Gloo and the store write to sockets whose other end may be gone.
absl::Status CheckSignals() {
  struct sigaction action = {};
  if (sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler == SIG_DFL) {
    return absl::FailedPreconditionError(
        "a gang: SIGPIPE ends this process, so a rank that goes away would take it along; ignore "
        "the signal first");
  }
  return absl::OkStatus();
}

absl::Status CheckPlan(const GangPlan& plan) {
  if (plan.world_size < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("gang.world_size is ", plan.world_size, "; at least 2 is allowed"));
  }
  if (plan.rank < 0 || plan.rank >= plan.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("gang.rank is ", plan.rank, "; 0 to ", plan.world_size - 1, " are allowed"));
  }
  if (plan.name.empty()) {
    return absl::InvalidArgumentError("gang.name is empty");
  }
  if (plan.timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "gang.timeout is ", absl::FormatDuration(plan.timeout), "; a positive time is allowed"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorGang>> JoinC10dGang(const GangPlan& plan, c10::Device device,
                                                         const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(CheckPlan(plan));
  RWKU_RETURN_IF_ERROR(CheckSignals());
  RWKU_ASSIGN_OR_RETURN(const HostPort rendezvous, ParseRendezvous(plan.rendezvous));
  if (!device.is_cpu() && !HasNccl()) {
    return absl::UnimplementedError(
        absl::StrCat("a gang on ", device.str(), ": this build has no NCCL (RWKU_WITH_CUDA)"));
  }
  auto thread = std::make_unique<StoreThread>();
  const std::function<absl::Status()> cancelled = [&] { return cancel.Check(); };
  RWKU_ASSIGN_OR_RETURN(std::shared_ptr<GangLink> link,
                        JoinStore(plan, rendezvous, cancelled, *thread));
  const std::function<absl::Status()> interrupt = [&]() -> absl::Status {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    return link->failure();
  };
  // A connection of its own: what blocks there must not keep this rank from being heard of.
  StoreThread connector;
  absl::StatusOr<Group> group = connector.Call<Group>(
      "connect", 2 * plan.timeout, interrupt, [plan, rendezvous, device, store = link->store()] {
        const auto own = store->clone();
        own->setTimeout(absl::ToChronoMilliseconds(plan.timeout));
        return device.is_cpu() ? MakeGlooGroup(own, plan, rendezvous)
                               : MakeNcclGroup(own, plan, device);
      });
  if (!group.ok()) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    link->Fail("connect", group.status());
    thread->Wake();
    return absl::UnavailableError(link->failure().message());
  }
  return std::make_unique<C10dGang>(plan, std::move(thread), std::move(link), *std::move(group),
                                    device.is_cpu());
}

}  // namespace rwku::engine
