#include "server/service/run_scalars.h"

#include "absl/strings/str_cat.h"

namespace rwku::service {
namespace {

constexpr size_t kMaxRequestId = 64;
constexpr int kMaxDisplayName = 200;
constexpr int kMaxPriority = 100;
constexpr int kMaxMaxFailures = 20;
constexpr int kDefaultMaxFailures = 3;
constexpr int kMaxRanks = 64;

}  // namespace

void CheckRunScalars(const v1::CreateRunRequest& request, v1::RunSpec* spec,
                     std::vector<net::FieldError>* errors) {
  if (request.request_id().size() > kMaxRequestId) {
    errors->push_back({"request_id", absl::StrCat("found ", request.request_id().size(),
                                                  " bytes, allowed at most ", kMaxRequestId)});
  }
  if (static_cast<int>(spec->display_name().size()) > kMaxDisplayName) {
    errors->push_back(
        {"spec.display_name", absl::StrCat("found ", spec->display_name().size(),
                                           " bytes, allowed at most ", kMaxDisplayName)});
  }
  if (spec->priority() < -kMaxPriority || spec->priority() > kMaxPriority) {
    errors->push_back({"spec.priority", absl::StrCat("found ", spec->priority(), ", allowed ",
                                                     -kMaxPriority, " to ", kMaxPriority)});
  }
  if (!spec->has_max_failures()) {
    spec->set_max_failures(kDefaultMaxFailures);
  } else if (spec->max_failures() < 1 || spec->max_failures() > kMaxMaxFailures) {
    errors->push_back({"spec.max_failures", absl::StrCat("found ", spec->max_failures(),
                                                         ", allowed 1 to ", kMaxMaxFailures)});
  }
  if (!spec->has_data_parallel()) {
    spec->set_data_parallel(1);
  } else if (spec->data_parallel() < 1 || spec->data_parallel() > kMaxRanks) {
    errors->push_back({"spec.data_parallel", absl::StrCat("found ", spec->data_parallel(),
                                                          ", allowed 1 to ", kMaxRanks)});
  }
  if (spec->shard_optimizer_state() && spec->data_parallel() == 1) {
    errors->push_back({"spec.shard_optimizer_state",
                       "there is nothing to shard over one rank; set data_parallel"});
  }
  spec->mutable_protocol();
}

}  // namespace rwku::service
