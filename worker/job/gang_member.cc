#include "worker/job/gang_member.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "worker/engine/device_lost.h"
#include "worker/job/sharded_language_model.h"

namespace rwku::job {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(50);

// What text/tokenizer_files.h and the engine read of a model beside its weights.
constexpr const char* kModelFiles[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                       "special_tokens_map.json", "chat_template.jinja"};

}  // namespace

// Nobody tells of a cancellation: a thread looks.
class GangMember::Watch {
 public:
  Watch(engine::Gang& gang, const CancelToken& cancel)
      : thread_([this, &gang, &cancel] {
          while (!ends_.WaitForNotificationWithTimeout(kLook)) {
            if (cancel.cancelled()) {  // no Check(): looking is no work
              gang.Abort(cancel.Check());
              return;
            }
          }
        }) {}
  ~Watch() {
    ends_.Notify();
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  absl::Notification ends_;
  std::thread thread_;
};

GangMember::GangMember(engine::Engine& engine, std::unique_ptr<engine::Gang> gang,
                       const CancelToken& cancel)
    : engine_(engine), cancel_(cancel), gang_(std::move(gang)) {
  if (gang_ != nullptr) {
    shared_model_ = std::make_unique<ShardedLanguageModel>(engine_.model(), *gang_);
    watch_ = std::make_unique<Watch>(*gang_, cancel_);
  }
}

GangMember::~GangMember() {
  watch_.reset();
  if (gang_ != nullptr && !has_left_) {
    gang_->Abort(absl::CancelledError("the rank left before the end"));
  }
}

absl::StatusOr<std::unique_ptr<GangMember>> GangMember::Join(engine::Engine& engine,
                                                             const GangPlace& place,
                                                             const CancelToken& cancel) {
  std::unique_ptr<engine::Gang> gang;
  if (place.world_size > 1) {
    engine::GangPlan plan;
    plan.world_size = place.world_size;
    plan.rank = place.rank;
    plan.rendezvous = place.rendezvous;
    plan.name = place.name;
    plan.timeout = place.timeout;
    plan.join_timeout = place.join_timeout;
    plan.network_interface = place.network_interface;
    RWKU_ASSIGN_OR_RETURN(gang, engine.JoinGang(plan, cancel));
  }
  return std::unique_ptr<GangMember>(new GangMember(engine, std::move(gang), cancel));
}

evaluate::LanguageModel& GangMember::model() const {
  return shared_model_ != nullptr ? *shared_model_ : engine_.model();
}

absl::Status GangMember::Agree(const std::string& digest, absl::string_view what) {
  if (gang_ == nullptr) {
    return absl::OkStatus();
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> all, gang_->AllGather(digest, cancel_));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] != all.front()) {
      return absl::UnavailableError(
          absl::StrCat("rank ", rank, " of the gang has other ", what, " than rank 0"));
    }
  }
  return absl::OkStatus();
}

absl::Status GangMember::Fail(const absl::Status& status) {
  if (gang_ == nullptr || has_left_) {
    return status;
  }
  gang_->Abort(status);
  RWKU_RETURN_IF_ERROR(cancel_.Check());
  return absl::IsUnavailable(status) && !engine::IsDeviceLost(status) ? gang_->failure() : status;
}

absl::Status GangMember::Leave() {
  if (gang_ != nullptr && !has_left_) {
    RWKU_RETURN_IF_ERROR(gang_->AllGather("", cancel_).status());
    has_left_ = true;
  }
  return absl::OkStatus();
}

absl::Status AgreeOnModel(GangMember& member, const std::filesystem::path& folder,
                          const std::string& weights_checksum, const std::string& compute_dtype) {
  if (member.gang() == nullptr) {
    return absl::OkStatus();
  }
  RWKU_RETURN_IF_ERROR(member.Agree(weights_checksum, "weights"));
  RWKU_RETURN_IF_ERROR(member.Agree(compute_dtype, "dtype (--dtype of the workers)"));
  std::string digests;
  for (const char* const name : kModelFiles) {
    const absl::StatusOr<std::string> contents = ReadFile(folder / name);
    absl::StrAppend(&digests, contents.ok() ? Sha256Hex(*contents) : "none", " ");
  }
  return member.Agree(digests, "configuration or tokenizer of the model");
}

}  // namespace rwku::job
