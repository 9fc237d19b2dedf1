#include "worker/engine/parallel/gang_link.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include <c10/util/Exception.h>

#include "worker/engine/parallel/c10d_error.h"

namespace rwku::engine {
namespace {

constexpr char kEnded[] = "ended";

std::string AliveKey(int rank) { return absl::StrCat("alive/", rank); }

}  // namespace

std::string RankName(const GangPlan& plan) {
  return absl::StrCat("gang \"", plan.name, "\", rank ", plan.rank, " of ", plan.world_size);
}

std::vector<uint8_t> BytesOf(absl::string_view text) { return {text.begin(), text.end()}; }

std::string TextOf(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

GangLink::GangLink(const GangPlan& plan, c10::intrusive_ptr<c10d::Store> store)
    : plan_(plan), store_(std::move(store)), heard_(static_cast<size_t>(plan.world_size)) {}

absl::Status GangLink::failure() const {
  const absl::MutexLock lock(&mu_);
  return failure_;
}

absl::Status GangLink::Fail(absl::string_view operation, absl::string_view what) {
  std::vector<c10::intrusive_ptr<c10::ivalue::Future>> waiting;
  std::function<void()> hook;
  absl::Status failure;
  {
    const absl::MutexLock lock(&mu_);
    if (!failure_.ok()) {
      return failure_;
    }
    failure_ = absl::UnavailableError(absl::StrCat(RankName(plan_), ": ", operation, ": ", what));
    failure = failure_;
    waiting.swap(waiting_);
    hook.swap(on_failure_);
  }
  for (const auto& future : waiting) {
    future->setErrorIfNeeded(std::make_exception_ptr(
        c10::DistBackendError({__func__, __FILE__, __LINE__}, std::string(failure.message()))));
  }
  if (hook) {
    hook();
  }
  return failure;
}

void GangLink::OnFailure(std::function<void()> hook) {
  {
    const absl::MutexLock lock(&mu_);
    if (failure_.ok()) {
      on_failure_ = std::move(hook);
      return;
    }
  }
  hook();
}

c10::intrusive_ptr<c10::ivalue::Future> GangLink::Breakable(
    const std::string& operation, const c10::intrusive_ptr<c10::ivalue::Future>& future) {
  auto breakable = c10::make_intrusive<c10::ivalue::Future>(future->elementType());
  {
    const absl::MutexLock lock(&mu_);
    if (!failure_.ok()) {
      breakable->setError(std::make_exception_ptr(
          c10::DistBackendError({__func__, __FILE__, __LINE__}, std::string(failure_.message()))));
      return breakable;
    }
    waiting_.push_back(breakable);
  }
  future->addCallback([link = shared_from_this(), operation, breakable](c10::ivalue::Future& done) {
    if (done.hasError()) {
      const std::string what = done.tryRetrieveErrorMessage();
      link->Fail(operation, what.substr(0, what.find('\n'))).IgnoreError();
    } else {
      link->Settle(breakable.get(), [&] { breakable->markCompleted(done.value()); });
    }
  });
  return breakable;
}

void GangLink::Settle(c10::ivalue::Future* future, const std::function<void()>& settle) {
  const absl::MutexLock lock(&mu_);
  const auto entry = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const auto& one) { return one.get() == future; });
  if (entry != waiting_.end()) {
    waiting_.erase(entry);
    settle();
  }
}

void GangLink::Beat() {
  try {
    Tell();
    if (failure().ok()) {
      Listen();
    }
  } catch (const std::exception& error) {
    Fail("the rendezvous", C10dMessage(error)).IgnoreError();
  }
}

void GangLink::Tell() {
  const absl::Status failure = this->failure();
  if (!failure.ok()) {
    if (!std::exchange(has_told_, true)) {
      store_->set(kEnded, BytesOf(failure.message()));
    }
    return;
  }
  store_->set(AliveKey(plan_.rank), BytesOf(absl::StrCat(++beats_)));
}

void GangLink::Listen() {
  if (store_->check({kEnded})) {
    has_told_ = true;
    Fail("the gang ended", TextOf(store_->get(kEnded))).IgnoreError();
    return;
  }
  for (int rank = 0; rank < plan_.world_size; ++rank) {
    if (rank == plan_.rank || !store_->check({AliveKey(rank)})) {
      continue;
    }
    std::string value = TextOf(store_->get(AliveKey(rank)));
    const absl::Duration now = clock_.Monotonic();
    Heard& heard = heard_[static_cast<size_t>(rank)];
    if (value != heard.value) {
      heard = {std::move(value), now};
    } else if (now - heard.when > plan_.timeout) {
      Fail(absl::StrCat("rank ", rank),
           absl::StrCat("not heard of for ", absl::FormatDuration(plan_.timeout)))
          .IgnoreError();
      return;
    }
  }
}

}  // namespace rwku::engine
