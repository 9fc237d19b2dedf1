// What the threads of one rank share of its gang: the store, why the gang ended, who was heard of.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <ATen/core/ivalue.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "base/clock.h"
#include "worker/engine/engine.h"

namespace rwku::engine {

// Thread-safe, but for Beat(), which the thread of the store alone calls.
class GangLink : public std::enable_shared_from_this<GangLink> {
 public:
  // `store` is the gang's own part of the rendezvous.
  GangLink(const GangPlan& plan, c10::intrusive_ptr<c10d::Store> store);

  const c10::intrusive_ptr<c10d::Store>& store() const { return store_; }

  // As Gang::failure(): this rank's own reason until another rank's is known to have come first.
  absl::Status failure() const;

  // Ends the gang because `operation` ended with `why`, if nothing has ended it yet. Futures that
  // wait fail at once.
  void Fail(absl::string_view operation, const absl::Status& why);

  // Runs once after the gang has ended: at the end of the beat that tells the others, in RunHook,
  // or here where it has ended already.
  void OnFailure(std::function<void()> hook);
  void RunHook();

  // A future that becomes what `future` becomes, or fails when the gang ends: nobody who waits for
  // it waits for the transport's own time-out. Its error is a c10::DistBackendError that names
  // `operation`.
  c10::intrusive_ptr<c10::ivalue::Future> Breakable(
      const std::string& operation, const c10::intrusive_ptr<c10::ivalue::Future>& future);

  // A future that has failed because the gang ended.
  c10::intrusive_ptr<c10::ivalue::Future> Broken() const;

  // Says that this rank lives, or why the gang ended here, and looks what the others say. A rank
  // that was heard of once and is silent for GangPlan::timeout ends the gang.
  void Beat();

 private:
  struct Heard {
    std::string value;  // empty: never
    absl::Duration when;
  };

  // Takes it from the list of those that wait; runs `settle` unless it has failed already.
  void Settle(c10::ivalue::Future* future, const std::function<void()>& settle);
  void Tell();
  void End(const absl::Status& failure);
  void TellEnd(const absl::Status& own);
  void EndAsTold(const std::string& told);
  void Listen();

  const GangPlan plan_;
  const c10::intrusive_ptr<c10d::Store> store_;
  const RealClock clock_;
  mutable absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::vector<c10::intrusive_ptr<c10::ivalue::Future>> waiting_ ABSL_GUARDED_BY(mu_);
  std::function<void()> on_failure_ ABSL_GUARDED_BY(mu_);
  int64_t beats_ = 0;
  bool has_told_ = false;
  std::vector<Heard> heard_;  // by rank
};

// `gang "NAME", rank R of N`: what every error of a gang begins with.
std::string RankName(const GangPlan& plan);

std::vector<uint8_t> BytesOf(absl::string_view text);
std::string TextOf(const std::vector<uint8_t>& bytes);

}  // namespace rwku::engine
