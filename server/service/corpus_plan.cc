#include "server/service/corpus_plan.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rwku/v1/worker.pb.h"

#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/target_file.h"
#include "benchmark/dataset/dataset.h"
#include "net/status.h"
#include "server/service/names.h"
#include "server/service/run_scalars.h"
#include "server/service/target_groups.h"

namespace rwku::service {
namespace {

constexpr int kMaxCustomTargets = 1000;
constexpr int kMaxOpeners = 1000000;
constexpr int kDefaultQuestions = 300;
constexpr int kMaxQuestions = 100000;
constexpr double kDefaultTemperature = 1.0;
constexpr double kMaxTemperature = 100;
constexpr double kDefaultTopP = 0.9;
constexpr int kDefaultNewTokens = 512;
constexpr int kMaxNewTokens = 8192;
constexpr size_t kMaxErrors = 100;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class CorpusPlanner {
 public:
  CorpusPlanner(const v1::CreateRunRequest& request, const Catalog& catalog)
      : request_(request), catalog_(catalog) {
    plan_.spec = request.spec();
  }

  absl::StatusOr<RunPlan> Plan() {
    CheckRunScalars(request_, &plan_.spec, &errors_);
    CheckModel();
    CheckKinds();
    CheckSettings();
    CheckDataset();
    CheckCustomTargets();
    CheckUnused();
    if (!errors_.empty()) {
      return net::InvalidFields(errors_);
    }
    return Expand();
  }

 private:
  void Error(std::string field, std::string description) {
    if (errors_.size() < kMaxErrors) {
      errors_.push_back({std::move(field), std::move(description)});
    }
  }

  void CheckModel() {
    if (const auto model = catalog_.FindModel(plan_.spec.model()); !model.ok()) {
      Error("spec.model", Message(model.status()));
    }
  }

  void CheckKinds() {
    v1::CorpusSpec& corpus = *plan_.spec.mutable_corpus();
    if (corpus.kinds().empty()) {
      for (const dataset::CorpusKind kind : corpus::kWrittenKinds) {
        corpus.add_kinds(std::string(dataset::CorpusKindName(kind)));
      }
    }
    for (int i = 0; i < corpus.kinds_size(); ++i) {
      const std::string field = absl::StrCat("spec.corpus.kinds[", i, "]");
      const auto kind = corpus::ParseWrittenKind(corpus.kinds(i));
      if (!kind.ok()) {
        Error(field, Message(kind.status()));
        continue;
      }
      if (std::find(kinds_.begin(), kinds_.end(), *kind) != kinds_.end()) {
        Error(field, absl::StrCat("\"", corpus.kinds(i), "\" is there twice"));
      }
      kinds_.push_back(*kind);
    }
  }

  void CheckSettings() {
    v1::RunSpec& spec = plan_.spec;
    v1::CorpusSpec& corpus = *spec.mutable_corpus();
    if (!corpus.has_questions()) {
      corpus.set_questions(kDefaultQuestions);
    }
    if (!corpus.has_temperature()) {
      corpus.set_temperature(kDefaultTemperature);
    }
    if (!corpus.has_top_p()) {
      corpus.set_top_p(kDefaultTopP);
    }
    if (!corpus.has_max_new_tokens()) {
      corpus.set_max_new_tokens(kDefaultNewTokens);
    }
    const auto check = [this](const char* field, double value, bool good, const char* allowed) {
      if (!good) {
        Error(absl::StrCat("spec.corpus.", field),
              absl::StrCat("found ", value, ", allowed ", allowed));
      }
    };
    check("max_openers", corpus.max_openers(),
          corpus.max_openers() >= 0 && corpus.max_openers() <= kMaxOpeners, "0 (all) to 1000000");
    check("questions", corpus.questions(),
          corpus.questions() >= 1 && corpus.questions() <= kMaxQuestions, "1 to 100000");
    // Comparisons that NaN fails.
    check("temperature", corpus.temperature(),
          corpus.temperature() > 0 && corpus.temperature() <= kMaxTemperature,
          "above 0, at most 100");
    check("top_p", corpus.top_p(), corpus.top_p() > 0 && corpus.top_p() <= 1, "above 0, at most 1");
    check("max_new_tokens", corpus.max_new_tokens(),
          corpus.max_new_tokens() >= 1 && corpus.max_new_tokens() <= kMaxNewTokens, "1 to 8192");
    if (spec.seeds().empty()) {
      spec.add_seeds(kDefaultSeed);
    } else if (spec.seeds_size() > 1) {
      Error("spec.seeds", absl::StrCat("found ", spec.seeds_size(),
                                       ", allowed 1: a corpus is written with one seed"));
    }
  }

  void CheckDataset() {
    auto found = catalog_.FindDataset(plan_.spec.dataset());
    if (!found.ok()) {
      Error("spec.dataset", Message(found.status()));
      return;
    }
    dataset_ = *std::move(found);
    const std::vector<corpus::TextSet> sets = corpus::TextSetsOf(kinds_);
    const bool questions =
        std::find(sets.begin(), sets.end(), corpus::TextSet::kQuestion) != sets.end();
    if (questions) {
      CheckSource(dataset_->LoadRefusals().status());
    }
    if (sets.size() > (questions ? 1U : 0U)) {
      CheckSource(dataset_->LoadOpeners().status());
    }
    SelectTargets();
  }

  void CheckSource(const absl::Status& status) {
    if (!status.ok()) {
      Error("spec.dataset", Message(status));
    }
  }

  void SelectTargets() {
    if (plan_.spec.targets().empty() && !plan_.spec.custom_targets().empty()) {
      return;
    }
    targets_ = service::SelectTargets(*dataset_, plan_.spec.targets(), "spec.targets",
                                      [this](std::string field, std::string description) {
                                        Error(std::move(field), std::move(description));
                                      });
    plan_.spec.clear_targets();
    for (const dataset::TargetInfo* target : targets_) {
      plan_.spec.add_targets(target->name);
    }
  }

  void CheckCustomTargets() {
    if (plan_.spec.custom_targets_size() > kMaxCustomTargets) {
      Error("spec.custom_targets", absl::StrCat("found ", plan_.spec.custom_targets_size(),
                                                ", allowed at most ", kMaxCustomTargets));
      return;
    }
    std::set<std::string> names;
    for (int i = 0; i < plan_.spec.custom_targets_size(); ++i) {
      const v1::CustomTarget& target = plan_.spec.custom_targets(i);
      const std::string field = absl::StrCat("spec.custom_targets[", i, "]");
      if (const std::string problem = corpus::NameProblem(target.name()); !problem.empty()) {
        Error(absl::StrCat(field, ".name"), problem);
      } else if (!names.insert(target.name()).second) {
        Error(absl::StrCat(field, ".name"), absl::StrCat("\"", target.name(), "\" is there twice"));
      } else if (IsOfDataset(target.name())) {
        Error(
            absl::StrCat(field, ".name"),
            absl::StrCat("\"", target.name(), "\" is a target of the dataset; name it in targets"));
      }
      if (const std::string problem = corpus::IntroProblem(target.intro()); !problem.empty()) {
        Error(absl::StrCat(field, ".intro"), problem);
      }
    }
  }

  bool IsOfDataset(const std::string& name) const {
    if (dataset_ != nullptr) {
      for (const dataset::TargetInfo& target : dataset_->targets()) {
        if (target.name == name) {
          return true;
        }
      }
    }
    return false;
  }

  // What says how to forget and what to ask.
  void CheckUnused() {
    const v1::RunSpec& spec = plan_.spec;
    const auto check = [this](const char* field, bool is_set) {
      if (is_set) {
        Error(absl::StrCat("spec.", field), "does not go with corpus: such a run forgets nothing");
      }
    };
    check("recipes", !spec.recipes().empty());
    check("probe_sets", !spec.probe_sets().empty());
    check("groups", !spec.groups().empty());
    check("target_mode", spec.target_mode() != v1::TARGET_MODE_UNSPECIFIED &&
                             spec.target_mode() != v1::TARGET_MODE_SINGLE);
    check("evaluate_epochs", spec.evaluate_epochs());
    check("export_weights", spec.export_weights());
    check("shard_optimizer_state", spec.shard_optimizer_state());
    check("optimizer_on_host", spec.optimizer_on_host());
    check("protocol.stop_at_newline", spec.protocol().stop_at_newline());
  }

  void AddJobOf(const v1::JobTarget& target) {
    const v1::RunSpec& spec = plan_.spec;
    v1::JobSpec job;
    job.set_model(spec.model());
    job.set_dataset(spec.dataset());
    job.set_target(target.name());
    job.set_target_number(target.number());
    job.set_seed(spec.seeds(0));
    *job.mutable_protocol() = spec.protocol();
    job.set_target_mode(v1::TARGET_MODE_SINGLE);
    *job.add_targets() = target;
    *job.mutable_corpus() = spec.corpus();
    AddJob(job, &plan_);
  }

  RunPlan Expand() {
    plan_.spec.set_target_mode(v1::TARGET_MODE_SINGLE);
    const v1::RunSpec& spec = plan_.spec;
    FillRun(request_, &plan_);
    for (const dataset::TargetInfo* target : targets_) {
      v1::JobTarget job_target;
      job_target.set_name(target->name);
      job_target.set_number(target->number);
      AddJobOf(job_target);
    }
    for (const v1::CustomTarget& custom : spec.custom_targets()) {
      v1::JobTarget job_target;
      job_target.set_name(custom.name());
      job_target.set_intro(custom.intro());
      AddJobOf(job_target);
    }
    return std::move(plan_);
  }

  const v1::CreateRunRequest& request_;
  const Catalog& catalog_;
  RunPlan plan_;
  std::vector<dataset::CorpusKind> kinds_;
  std::shared_ptr<const dataset::Dataset> dataset_;
  std::vector<const dataset::TargetInfo*> targets_;
  std::vector<net::FieldError> errors_;
};

}  // namespace

absl::StatusOr<RunPlan> PlanCorpusRun(const v1::CreateRunRequest& request, const Catalog& catalog) {
  return CorpusPlanner(request, catalog).Plan();
}

absl::Status RefuseCorpusRun(const v1::RunSpec& spec, const RunId& run, absl::string_view what) {
  if (!spec.has_corpus()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      RunName(run), " wrote corpora: its predictions are the texts, which have no scores to ",
      what));
}

}  // namespace rwku::service
