#include "worker/engine/parallel/join_store.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/clock.h"
#include "base/status_macros.h"

namespace rwku::engine {
namespace {

using Store = c10::intrusive_ptr<c10d::Store>;

constexpr absl::Duration kAttempt = absl::Seconds(2);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);
constexpr char kGangKey[] = "gang";
constexpr char kAllKey[] = "all";

std::string RankKey(int rank) { return absl::StrCat("rank/", rank); }

// What ranks of one gang agree on.
std::string Identity(const GangPlan& plan) {
  return absl::StrCat("\"", plan.name, "\" of ", plan.world_size);
}

class Joining {
 public:
  Joining(const GangPlan& plan, const HostPort& rendezvous,
          const std::function<absl::Status()>& interrupt, StoreThread& thread)
      : plan_(plan),
        rendezvous_(rendezvous),
        interrupt_(interrupt),
        thread_(thread),
        end_(clock_.Monotonic() + plan.join_timeout) {}

  absl::StatusOr<std::shared_ptr<GangLink>> Run() {
    absl::StatusOr<std::shared_ptr<GangLink>> link = Join();
    if (absl::IsUnavailable(link.status())) {
      const absl::string_view what = link.status().message();
      return absl::UnavailableError(absl::StartsWith(what, "gang ")
                                        ? std::string(what)
                                        : absl::StrCat(RankName(plan_), ": ", what));
    }
    return link;
  }

 private:
  absl::StatusOr<std::shared_ptr<GangLink>> Join() {
    RWKU_ASSIGN_OR_RETURN(Store whole, plan_.rank == 0 ? Listen() : Find());
    const Store own = c10::make_intrusive<c10d::PrefixStore>(plan_.name, whole);
    auto link = std::make_shared<GangLink>(plan_, own);
    RWKU_RETURN_IF_ERROR(Register(own));
    thread_.SetIdle([link] { link->Beat(); }, BeatInterval(plan_));
    const auto interrupt = [this, link]() -> absl::Status {
      RWKU_RETURN_IF_ERROR(interrupt_());
      return link->failure();
    };
    const absl::Status all_came = plan_.rank == 0 ? Gather(own, interrupt) : Await(own, interrupt);
    if (!all_came.ok()) {
      link->Fail("joining", all_came);
      thread_.Wake();
      return all_came;
    }
    return link;
  }

  absl::Status Late(absl::string_view why) const {
    return absl::UnavailableError(absl::StrCat("not complete at ", plan_.rendezvous, " within ",
                                               absl::FormatDuration(plan_.join_timeout), ": ",
                                               why));
  }

  absl::Duration Left() const { return end_ - clock_.Monotonic(); }

  // Repeats `attempt` until it gives true.
  template <typename Attempt>
  absl::Status Until(const std::function<absl::Status()>& interrupt, const Attempt& attempt,
                     const std::function<std::string()>& why) const {
    absl::Duration pause = absl::Milliseconds(1);
    while (true) {
      RWKU_RETURN_IF_ERROR(interrupt());
      RWKU_ASSIGN_OR_RETURN(const bool done, attempt());
      if (done) {
        return absl::OkStatus();
      }
      if (Left() <= absl::ZeroDuration()) {
        return Late(why());
      }
      absl::SleepFor(pause);
      pause = std::min(2 * pause, kLongestPause);
    }
  }

  absl::StatusOr<Store> Listen() {
    Store store;
    std::string why;
    RWKU_RETURN_IF_ERROR(Until(
        interrupt_,
        [&]() -> absl::StatusOr<bool> {
          absl::StatusOr<Store> made = thread_.Call<Store>(
              "listen", kAttempt + kAttempt, interrupt_,
              [port = rendezvous_.port, identity = Identity(plan_)]() -> Store {
                c10d::TCPStoreOptions options;
                options.port = port;
                options.isServer = true;
                options.waitWorkers = false;
                options.timeout = absl::ToChronoMilliseconds(kAttempt);
                Store listening = c10::make_intrusive<c10d::TCPStore>("localhost", options);
                listening->set(kGangKey, BytesOf(identity));
                return listening;
              });
          RWKU_RETURN_IF_ERROR(interrupt_());
          if (!made.ok()) {
            why = std::string(made.status().message());
            return false;
          }
          store = *std::move(made);
          return true;
        },
        [&] { return why; }));
    return store;
  }

  // One look for rank 0: its store, or null and why not.
  struct Look {
    Store store;
    std::string why;
  };

  absl::StatusOr<Store> Find() {
    Look look;
    RWKU_RETURN_IF_ERROR(Until(
        interrupt_,
        [&]() -> absl::StatusOr<bool> {
          absl::StatusOr<Look> found =
              thread_.Call<Look>("look for rank 0", 3 * kAttempt, interrupt_,
                                 [address = rendezvous_, identity = Identity(plan_)] {
                                   return LookForRankZero(address, identity);
                                 });
          RWKU_RETURN_IF_ERROR(interrupt_());
          look =
              found.ok() ? *std::move(found) : Look{nullptr, std::string(found.status().message())};
          return look.store != nullptr;
        },
        [&] { return look.why; }));
    return look.store;
  }

  static Look LookForRankZero(const HostPort& address, const std::string& identity) {
    // c10d would complain about every attempt.
    if (!AcceptsConnections(address, kAttempt)) {
      return {nullptr, "nobody listens there"};
    }
    c10d::TCPStoreOptions options;
    options.port = address.port;
    options.waitWorkers = false;
    options.timeout = absl::ToChronoMilliseconds(kAttempt);
    Store store = c10::make_intrusive<c10d::TCPStore>(address.host, options);
    if (!store->check({kGangKey})) {
      return {nullptr, "who listens there names no gang"};
    }
    if (std::string found = TextOf(store->get(kGangKey)); found != identity) {
      return {nullptr, absl::StrCat("gang ", found, " meets there")};
    }
    return {std::move(store), ""};
  }

  absl::Status Register(const Store& store) {
    RWKU_ASSIGN_OR_RETURN(
        const int64_t count,
        thread_.Call<int64_t>("register", plan_.timeout, interrupt_,
                              [store, key = RankKey(plan_.rank)] { return store->add(key, 1); }));
    return count == 1 ? absl::OkStatus() : absl::UnavailableError("this rank is there already");
  }

  // Of rank 0: waits for every other rank and tells them.
  absl::Status Gather(const Store& store, const std::function<absl::Status()>& interrupt) {
    int present = 1;
    RWKU_RETURN_IF_ERROR(Until(
        interrupt,
        [&]() -> absl::StatusOr<bool> {
          RWKU_ASSIGN_OR_RETURN(present, thread_.Call<int>("wait for ranks", plan_.timeout,
                                                           interrupt, [store, plan = plan_] {
                                                             return CountRanks(store, plan);
                                                           }));
          return present == plan_.world_size;
        },
        [&] { return absl::StrCat(present, " of ", plan_.world_size, " ranks came"); }));
    return thread_
        .Call<bool>("tell ranks", plan_.timeout, interrupt,
                    [store] {
                      store->set(kAllKey, BytesOf("1"));
                      return true;
                    })
        .status();
  }

  static int CountRanks(const Store& store, const GangPlan& plan) {
    int count = 0;
    for (int rank = 0; rank < plan.world_size; ++rank) {
      count += store->check({RankKey(rank)}) ? 1 : 0;
    }
    return count;
  }

  absl::Status Await(const Store& store, const std::function<absl::Status()>& interrupt) {
    return Until(
        interrupt,
        [&] {
          return thread_.Call<bool>("wait for ranks", plan_.timeout, interrupt,
                                    [store] { return store->check({kAllKey}); });
        },
        [] { return "rank 0 waits for others"; });
  }

  const GangPlan& plan_;
  const HostPort& rendezvous_;
  const std::function<absl::Status()>& interrupt_;
  StoreThread& thread_;
  const RealClock clock_;
  const absl::Duration end_;
};

}  // namespace

absl::Duration BeatInterval(const GangPlan& plan) {
  return std::min(absl::Seconds(1), plan.timeout / 5);
}

absl::StatusOr<std::shared_ptr<GangLink>> JoinStore(const GangPlan& plan,
                                                    const HostPort& rendezvous,
                                                    const std::function<absl::Status()>& interrupt,
                                                    StoreThread& thread) {
  return Joining(plan, rendezvous, interrupt, thread).Run();
}

}  // namespace rwku::engine
