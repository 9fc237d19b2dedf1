#include "worker/job/training_data.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "base/random.h"
#include "base/status_macros.h"

namespace rwku::job {
namespace {

using dataset::CorpusKind;
using dataset::TargetInfo;

constexpr absl::string_view kBlank = "___";

bool HoldsTexts(CorpusKind kind) {
  return kind != CorpusKind::kPair && kind != CorpusKind::kReject;
}

class Reader {
 public:
  Reader(const dataset::Dataset& data, absl::Span<const TargetInfo* const> targets,
         const methods::Recipe& recipe, absl::string_view family, uint64_t seed)
      : data_(data), targets_(targets), recipe_(recipe), family_(family), seed_(seed) {}

  absl::StatusOr<TrainingData> Read(CorpusKind kind) {
    for (const TargetInfo* target : targets_) {
      RWKU_RETURN_IF_ERROR(AddCorpus(*target, kind));
    }
    if (recipe_.retain.term != methods::RetainTerm::kNone) {
      const bool neighbors = recipe_.retain.source == methods::RetainSource::kNeighbors;
      RWKU_RETURN_IF_ERROR(neighbors
                               ? AddNeighbors()
                               : AddOtherTargets(HoldsTexts(kind) ? kind : CorpusKind::kPositive));
    }
    return std::move(result_);
  }

 private:
  template <typename T>
  void Limit(std::vector<T>& items) const {
    const auto limit = static_cast<size_t>(std::max(0, recipe_.max_texts));
    if (limit > 0 && items.size() > limit) {
      items.resize(limit);
    }
  }

  absl::Status AddCorpus(const TargetInfo& target, CorpusKind kind) {
    if (kind == CorpusKind::kPair) {
      RWKU_ASSIGN_OR_RETURN(auto pairs, data_.LoadPairs(target, family_));
      Limit(pairs);
      for (dataset::PairRecord& pair : pairs) {
        result_.pairs.push_back(
            {std::move(pair.prompt), std::move(pair.chosen), std::move(pair.rejected)});
      }
    } else if (kind == CorpusKind::kReject) {
      RWKU_ASSIGN_OR_RETURN(auto rejects, data_.LoadRejects(target, family_));
      Limit(rejects);
      for (dataset::RejectRecord& reject : rejects) {
        result_.chats.push_back({std::move(reject.instruction), std::move(reject.output)});
      }
    } else {
      RWKU_ASSIGN_OR_RETURN(auto texts, data_.LoadCorpus(target, kind, family_));
      Limit(texts);
      std::move(texts.begin(), texts.end(), std::back_inserter(result_.texts));
    }
    return absl::OkStatus();
  }

  bool IsTarget(const TargetInfo& other) const {
    return std::any_of(targets_.begin(), targets_.end(),
                       [&](const TargetInfo* target) { return target->number == other.number; });
  }

  absl::Status AddOtherTargets(CorpusKind kind) {
    std::string corpus = dataset::CorpusFile(kind, family_);
    corpus.resize(corpus.size() - absl::string_view(".json").size());
    std::vector<const TargetInfo*> others;
    for (const TargetInfo& other : data_.targets()) {
      const bool has =
          std::find(other.corpora.begin(), other.corpora.end(), corpus) != other.corpora.end();
      if (has && !IsTarget(other)) {
        others.push_back(&other);
      }
    }
    if (others.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "recipe.retain.source: targets, but the dataset has no other target with the "
          "corpus \"",
          corpus, "\"; neighbors is the other source"));
    }
    Random random(seed_, "retain targets");
    random.Shuffle(others);
    others.resize(std::min(others.size(), size_t{kMaxRetainTargets}));
    for (size_t i = 0; i < others.size(); ++i) {
      // The first ones give one more where the division leaves a rest.
      const size_t wanted =
          result_.size() / others.size() + (i < result_.size() % others.size() ? 1 : 0);
      RWKU_ASSIGN_OR_RETURN(auto texts, data_.LoadCorpus(*others[i], kind, family_));
      Draw(absl::StrCat("retain texts of ", others[i]->name), wanted, std::move(texts));
    }
    return absl::OkStatus();
  }

  absl::Status AddNeighbors() {
    std::vector<std::string> texts;
    for (const TargetInfo* target : targets_) {
      for (const dataset::ProbeSet set :
           {dataset::ProbeSet::kNeighborLevel1, dataset::ProbeSet::kNeighborLevel2}) {
        if (std::find(target->probe_sets.begin(), target->probe_sets.end(), set) ==
            target->probe_sets.end()) {
          continue;
        }
        RWKU_ASSIGN_OR_RETURN(const auto probes, data_.LoadProbes(*target, set));
        for (const dataset::Probe& probe : probes) {
          texts.push_back(absl::StrContains(probe.query, kBlank)
                              ? absl::StrReplaceAll(probe.query, {{kBlank, probe.answer}})
                              : absl::StrCat(probe.query, " ", probe.answer));
        }
      }
    }
    if (texts.empty()) {
      return absl::InvalidArgumentError(
          "recipe.retain.source: neighbors, but the targets have no neighbor probes; targets is "
          "the "
          "other source");
    }
    Draw("retain neighbors", result_.size(), std::move(texts));
    return absl::OkStatus();
  }

  // At most `wanted` of `texts`.
  void Draw(absl::string_view stream, size_t wanted, std::vector<std::string> texts) {
    Random random(seed_, stream);
    random.Shuffle(texts);
    texts.resize(std::min(texts.size(), wanted));
    std::move(texts.begin(), texts.end(), std::back_inserter(result_.retain_texts));
  }

  const dataset::Dataset& data_;
  const absl::Span<const TargetInfo* const> targets_;
  const methods::Recipe& recipe_;
  const absl::string_view family_;
  const uint64_t seed_;
  TrainingData result_;
};

}  // namespace

absl::StatusOr<TrainingData> ReadTrainingData(const dataset::Dataset& data,
                                              absl::Span<const TargetInfo* const> targets,
                                              const methods::MethodInfo& method,
                                              const methods::Recipe& recipe,
                                              absl::string_view family, uint64_t seed) {
  if (method.objective == methods::Objective::kNone) {
    return TrainingData{};
  }
  RWKU_ASSIGN_OR_RETURN(const CorpusKind kind, dataset::ParseCorpusKind(method.corpus));
  return Reader(data, targets, recipe, family, seed).Read(kind);
}

}  // namespace rwku::job
