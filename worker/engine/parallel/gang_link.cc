#include "worker/engine/parallel/gang_link.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include <ATen/core/jit_type.h>
#include <c10/util/Exception.h>

#include "worker/engine/parallel/c10d_error.h"

namespace rwku::engine {
namespace {

constexpr char kEnded[] = "ended";

std::string AliveKey(int rank) { return absl::StrCat("alive/", rank); }

// What a rank writes into the store of why the gang ended, and what others read there.
std::vector<uint8_t> EndBytes(const absl::Status& why) {
  return BytesOf(absl::StrCat(static_cast<int>(why.code()), " ", why.message()));
}

absl::Status EndOf(const GangPlan& plan, const std::string& text) {
  const size_t space = text.find(' ');
  int code = 0;
  if (space == std::string::npos || !absl::SimpleAtoi(text.substr(0, space), &code) || code == 0) {
    return absl::UnavailableError(absl::StrCat(RankName(plan), ": the gang ended: ", text));
  }
  return {static_cast<absl::StatusCode>(code),
          absl::StrCat(RankName(plan), ": the gang ended: ", text.substr(space + 1))};
}

std::exception_ptr BackendError(const absl::Status& failure) {
  return std::make_exception_ptr(
      c10::DistBackendError({__func__, __FILE__, __LINE__}, std::string(failure.message())));
}

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

void GangLink::Fail(absl::string_view operation, const absl::Status& why) {
  End(absl::Status(absl::IsCancelled(why) ? absl::StatusCode::kUnavailable : why.code(),
                   absl::StrCat(RankName(plan_), ": ", operation, ": ", why.message())));
}

void GangLink::End(const absl::Status& failure) {
  std::vector<c10::intrusive_ptr<c10::ivalue::Future>> waiting;
  {
    const absl::MutexLock lock(&mu_);
    if (!failure_.ok()) {
      return;
    }
    failure_ = failure;
    waiting.swap(waiting_);
  }
  for (const auto& future : waiting) {
    future->setErrorIfNeeded(BackendError(failure));
  }
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

void GangLink::RunHook() {
  std::function<void()> hook;
  {
    const absl::MutexLock lock(&mu_);
    if (failure_.ok()) {
      return;
    }
    hook.swap(on_failure_);
  }
  if (hook) {
    hook();
  }
}

c10::intrusive_ptr<c10::ivalue::Future> GangLink::Breakable(
    const std::string& operation, const c10::intrusive_ptr<c10::ivalue::Future>& future) {
  auto breakable = c10::make_intrusive<c10::ivalue::Future>(future->elementType());
  {
    const absl::MutexLock lock(&mu_);
    if (!failure_.ok()) {
      breakable->setError(BackendError(failure_));
      return breakable;
    }
    waiting_.push_back(breakable);
  }
  future->addCallback([link = shared_from_this(), operation, breakable](c10::ivalue::Future& done) {
    if (done.hasError()) {
      const std::string what = done.tryRetrieveErrorMessage();
      link->Fail(operation, absl::UnavailableError(what.substr(0, what.find('\n'))));
    } else {
      link->Settle(breakable.get(), [&] { breakable->markCompleted(done.value()); });
    }
  });
  return breakable;
}

c10::intrusive_ptr<c10::ivalue::Future> GangLink::Broken() const {
  auto broken =
      c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()));
  broken->setError(BackendError(failure()));
  return broken;
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
    Fail("the rendezvous", absl::UnavailableError(C10dMessage(error)));
  }
  // Only now: the hook breaks connections, which the others would take for the reason.
  RunHook();
}

void GangLink::Tell() {
  const absl::Status failure = this->failure();
  if (!failure.ok()) {
    if (!std::exchange(has_told_, true)) {
      TellEnd(failure);
    }
    return;
  }
  store_->set(AliveKey(plan_.rank), BytesOf(absl::StrCat(++beats_)));
}

// The first rank to tell knows why; what the others met is its echo.
void GangLink::TellEnd(const absl::Status& own) {
  const std::vector<uint8_t> mine = EndBytes(own);
  const std::vector<uint8_t> first = store_->compareSet(kEnded, {}, mine);
  if (first != mine) {
    EndAsTold(TextOf(first));
  }
}

void GangLink::EndAsTold(const std::string& told) {
  const absl::Status failure = EndOf(plan_, told);
  End(failure);
  // What this rank met meanwhile is an echo of it.
  const absl::MutexLock lock(&mu_);
  failure_ = failure;
}

void GangLink::Listen() {
  if (store_->check({kEnded})) {
    has_told_ = true;
    EndAsTold(TextOf(store_->get(kEnded)));
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
           absl::UnavailableError(
               absl::StrCat("not heard of for ", absl::FormatDuration(plan_.timeout))));
      return;
    }
  }
}

}  // namespace rwku::engine
