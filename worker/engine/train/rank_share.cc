#include "worker/engine/train/rank_share.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::engine {
namespace {

// Both counts and the values, as this machine holds them: the ranks of a gang are of one build.
std::string Pack(const ReferenceNlls& nlls) {
  std::vector<double> numbers = {static_cast<double>(nlls.computed),
                                 static_cast<double>(nlls.cached)};
  numbers.insert(numbers.end(), nlls.values.begin(), nlls.values.end());
  std::string bytes(numbers.size() * sizeof(double), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

absl::StatusOr<ReferenceNlls> Unpack(const std::string& bytes, size_t count) {
  std::vector<double> numbers(bytes.size() / sizeof(double));
  if (bytes.size() != (count + 2) * sizeof(double)) {
    return absl::InternalError(absl::StrCat("reference of a rank: ", bytes.size(), " bytes, ",
                                            (count + 2) * sizeof(double), " were to come"));
  }
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  ReferenceNlls nlls;
  nlls.computed = static_cast<int>(numbers[0]);
  nlls.cached = static_cast<int>(numbers[1]);
  nlls.values.assign(numbers.begin() + 2, numbers.end());
  return nlls;
}

}  // namespace

absl::StatusOr<RankShare> ShareOfPlan(const TrainingPlan& plan) {
  RankShare share;
  if (plan.gang == nullptr) {
    return share;
  }
  share.gang = dynamic_cast<TensorGang*>(plan.gang);
  if (share.gang == nullptr) {
    return absl::InvalidArgumentError("gang is not one that this engine joined");
  }
  share.rank = share.gang->rank();
  share.world_size = share.gang->world_size();
  return share;
}

std::vector<int> OwnersOf(absl::Span<const at::Tensor> tensors, int world_size) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tensors[a].numel() > tensors[b].numel(); });
  std::vector<int64_t> numbers(static_cast<size_t>(world_size), 0);
  std::vector<int> owners(tensors.size(), 0);
  for (const size_t index : order) {
    const auto least = std::min_element(numbers.begin(), numbers.end());
    *least += tensors[index].numel();
    owners[index] = static_cast<int>(least - numbers.begin());
  }
  return owners;
}

absl::StatusOr<ReferenceNlls> ComputeSharedReferenceNlls(
    const RankShare& share, const CausalLm& model, const std::vector<TrainingSequence>& sequences,
    const OriginalModel& original, const CancelToken& cancel) {
  const auto ranks = static_cast<size_t>(share.world_size);
  std::vector<TrainingSequence> own;
  for (auto i = static_cast<size_t>(share.rank); i < sequences.size(); i += ranks) {
    own.push_back(sequences[i]);
  }
  RWKU_ASSIGN_OR_RETURN(ReferenceNlls nlls, ComputeReferenceNlls(model, own, original, cancel));
  if (share.gang == nullptr) {
    return nlls;
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        share.gang->AllGather(Pack(nlls), cancel));
  ReferenceNlls together;
  together.values.resize(sequences.size());
  for (size_t rank = 0; rank < ranks; ++rank) {
    const size_t count = (sequences.size() + ranks - 1 - rank) / ranks;
    RWKU_ASSIGN_OR_RETURN(const ReferenceNlls part, Unpack(all[rank], count));
    together.computed += part.computed;
    together.cached += part.cached;
    for (size_t i = 0; i < count; ++i) {
      together.values[rank + i * ranks] = part.values[i];
    }
  }
  return together;
}

absl::StatusOr<bool> AnyRank(const RankShare& share, bool says, const CancelToken& cancel) {
  if (share.gang == nullptr) {
    return says;
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        share.gang->AllGather(says ? "1" : "0", cancel));
  return std::find(all.begin(), all.end(), "1") != all.end();
}

}  // namespace rwku::engine
