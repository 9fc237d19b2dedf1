#include "worker/job/generate_corpus.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/write_texts.h"
#include "benchmark/dataset/dataset.h"
#include "worker/job/gang_member.h"
#include "worker/job/original_model.h"

namespace rwku::job {
namespace {

class CorpusRun {
 public:
  CorpusRun(const AttemptSpec& spec, const Roots& roots, engine::Engine& engine, const Clock& clock,
            const AttemptCallbacks& callbacks, const CancelToken& cancel)
      : spec_(spec),
        corpus_(*spec.corpus),
        roots_(roots),
        engine_(engine),
        clock_(clock),
        callbacks_(callbacks),
        cancel_(cancel) {}

  absl::StatusOr<AttemptResult> Run() {
    absl::StatusOr<AttemptResult> result = RunStages();
    return result.ok() || member_ == nullptr ? std::move(result) : member_->Fail(result.status());
  }

 private:
  absl::StatusOr<AttemptResult> RunStages() {
    const absl::Duration start = clock_.Monotonic();
    RWKU_RETURN_IF_ERROR(Enter(Stage::kLoad, 1));
    RWKU_RETURN_IF_ERROR(ReadSources());
    RWKU_RETURN_IF_ERROR(LoadOriginal(spec_, model_folder_, engine_, cancel_, &result_).status());
    RWKU_ASSIGN_OR_RETURN(member_, GangMember::Join(engine_, spec_.gang, cancel_));
    const absl::Duration loaded = clock_.Monotonic();
    result_.timings.load = loaded - start;
    RWKU_RETURN_IF_ERROR(AgreeOnModel(*member_, model_folder_, result_.original_weights_checksum,
                                      result_.compute_dtype));
    result_.corpus_texts = static_cast<int>(corpus::TextCount(plan_));
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCorpus, result_.corpus_texts));
    RWKU_RETURN_IF_ERROR(Write());
    RWKU_RETURN_IF_ERROR(member_->Leave());
    result_.timings.corpus = clock_.Monotonic() - loaded;
    RWKU_RETURN_IF_ERROR(Enter(Stage::kCommit, 1));
    return std::move(result_);
  }

  void Report(Stage stage, int64_t done, int64_t total) const {
    if (callbacks_.on_progress) {
      callbacks_.on_progress({.stage = stage, .done = done, .total = total, .loss = std::nullopt});
    }
  }

  absl::Status Enter(Stage stage, int64_t total) const {
    RWKU_RETURN_IF_ERROR(cancel_.Check());
    Report(stage, 0, total);
    return absl::OkStatus();
  }

  // Before the model: a wrong name should not wait for gigabytes.
  absl::Status ReadSources() {
    RWKU_ASSIGN_OR_RETURN(model_folder_, ResolveBelow(roots_.models, spec_.model, "model"));
    RWKU_ASSIGN_OR_RETURN(const std::filesystem::path data_folder,
                          ResolveBelow(roots_.datasets, spec_.dataset, "dataset"));
    RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<dataset::Dataset> data,
                          dataset::Dataset::Open(data_folder));
    plan_.subject = {corpus_.target, corpus_.custom_intro};
    if (corpus_.custom_intro.empty()) {
      RWKU_ASSIGN_OR_RETURN(const dataset::TargetInfo* target,
                            FindJobTarget(*data, spec_, {corpus_.target, corpus_.target_number}));
      plan_.subject = {target->name, target->intro};
    }
    plan_.sets = corpus::TextSetsOf(corpus_.kinds);
    const auto asks_for = [this](corpus::TextSet set) {
      return std::find(plan_.sets.begin(), plan_.sets.end(), set) != plan_.sets.end();
    };
    if (asks_for(corpus::TextSet::kPositive) || asks_for(corpus::TextSet::kNegative)) {
      RWKU_ASSIGN_OR_RETURN(plan_.openers, data->LoadOpeners());
      const auto limit = static_cast<size_t>(std::max(0, corpus_.max_openers));
      if (limit > 0 && plan_.openers.size() > limit) {
        plan_.openers.resize(limit);
      }
    }
    if (asks_for(corpus::TextSet::kQuestion)) {
      RWKU_ASSIGN_OR_RETURN(plan_.refusals, data->LoadRefusals());
    }
    plan_.questions = corpus_.questions;
    plan_.temperature = corpus_.temperature;
    plan_.top_p = corpus_.top_p;
    plan_.max_new_tokens = corpus_.max_new_tokens;
    plan_.seed = spec_.seed;
    plan_.single_bos = spec_.single_bos;
    return absl::OkStatus();
  }

  absl::Status Write() {
    const corpus::TextSink sink = [this](std::vector<corpus::Text> texts) {
      return callbacks_.on_texts && member_->leads() ? callbacks_.on_texts(std::move(texts))
                                                     : absl::OkStatus();
    };
    const evaluate::ProgressCallback progress = [this](size_t done, size_t total) {
      Report(Stage::kCorpus, static_cast<int64_t>(done), static_cast<int64_t>(total));
    };
    RWKU_ASSIGN_OR_RETURN(result_.usage,
                          corpus::WriteTexts(member_->model(), plan_, sink, progress, cancel_));
    if (callbacks_.on_usage) {
      callbacks_.on_usage(result_.usage);
    }
    return absl::OkStatus();
  }

  const AttemptSpec& spec_;
  const CorpusSettings& corpus_;
  const Roots& roots_;
  engine::Engine& engine_;
  const Clock& clock_;
  const AttemptCallbacks& callbacks_;
  const CancelToken& cancel_;

  std::filesystem::path model_folder_;
  std::unique_ptr<GangMember> member_;
  corpus::WritingPlan plan_;
  AttemptResult result_;
};

}  // namespace

absl::StatusOr<AttemptResult> GenerateCorpus(const AttemptSpec& spec, const Roots& roots,
                                             engine::Engine& engine, const Clock& clock,
                                             const AttemptCallbacks& callbacks,
                                             const CancelToken& cancel) {
  return CorpusRun(spec, roots, engine, clock, callbacks, cancel).Run();
}

}  // namespace rwku::job
