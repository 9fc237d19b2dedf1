#include "tests/testing/fake_gang.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "base/status_macros.h"

namespace rwku::testing {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(5);

struct Meeting {
  absl::Mutex mu;
  int present ABSL_GUARDED_BY(mu) = 0;
  absl::Status failure ABSL_GUARDED_BY(mu);  // OK while it goes on
  // What was given, by the number of the gathering and by rank.
  std::map<int, std::map<int, std::string>> gathered ABSL_GUARDED_BY(mu);
};

std::shared_ptr<Meeting> MeetingOf(const engine::GangPlan& plan) {
  static absl::Mutex mu;
  static auto* const meetings = new std::map<std::string, std::weak_ptr<Meeting>>;
  const absl::MutexLock lock(&mu);
  std::weak_ptr<Meeting>& entry =
      (*meetings)[absl::StrCat(plan.rendezvous, "\n", plan.name, "\n", plan.world_size)];
  std::shared_ptr<Meeting> meeting = entry.lock();
  if (meeting == nullptr) {
    meeting = std::make_shared<Meeting>();
    entry = meeting;
  }
  return meeting;
}

class FakeGang final : public engine::Gang {
 public:
  FakeGang(const engine::GangPlan& plan, std::shared_ptr<Meeting> meeting)
      : plan_(plan), meeting_(std::move(meeting)) {}

  int rank() const override { return plan_.rank; }
  int world_size() const override { return plan_.world_size; }

  absl::StatusOr<std::vector<std::string>> AllGather(std::string bytes,
                                                     const CancelToken& cancel) override {
    const absl::MutexLock lock(&meeting_->mu);
    std::map<int, std::string>& given = meeting_->gathered[gathers_++];
    given[plan_.rank] = std::move(bytes);
    const auto is_over = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !meeting_->failure.ok() || static_cast<int>(given.size()) == plan_.world_size;
    };
    while (!meeting_->mu.AwaitWithTimeout(absl::Condition(&is_over), kLook)) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
    }
    if (!meeting_->failure.ok()) {
      RWKU_RETURN_IF_ERROR(cancel.Check());
      return absl::UnavailableError(
          absl::StrCat("gang \"", plan_.name, "\" has ended: ", meeting_->failure.message()));
    }
    std::vector<std::string> all;
    all.reserve(given.size());
    for (const auto& [rank, text] : given) {
      all.push_back(text);
    }
    return all;
  }

  void Abort(const absl::Status& why) override {
    const absl::MutexLock lock(&meeting_->mu);
    if (meeting_->failure.ok()) {
      meeting_->failure = absl::IsCancelled(why) ? absl::UnavailableError(why.message()) : why;
    }
  }

  absl::Status failure() const override {
    const absl::MutexLock lock(&meeting_->mu);
    return meeting_->failure;
  }

 private:
  const engine::GangPlan plan_;
  const std::shared_ptr<Meeting> meeting_;
  int gathers_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<engine::Gang>> JoinFakeGang(const engine::GangPlan& plan,
                                                           const CancelToken& cancel) {
  const RealClock clock;
  const absl::Duration end = clock.Monotonic() + plan.join_timeout;
  auto meeting = MeetingOf(plan);
  {
    const absl::MutexLock lock(&meeting->mu);
    ++meeting->present;
    const auto all_came = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return meeting->present >= plan.world_size;
    };
    while (!meeting->mu.AwaitWithTimeout(absl::Condition(&all_came), kLook)) {
      absl::Status status = cancel.Check();
      if (status.ok() && clock.Monotonic() >= end) {
        status = absl::UnavailableError(absl::StrCat("gang \"", plan.name, "\": ", meeting->present,
                                                     " of ", plan.world_size, " ranks came"));
      }
      if (!status.ok()) {
        --meeting->present;
        return status;
      }
    }
  }
  return std::make_unique<FakeGang>(plan, std::move(meeting));
}

}  // namespace rwku::testing
