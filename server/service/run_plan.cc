#include "server/service/run_plan.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rwku/v1/worker.pb.h"

#include "base/digest.h"
#include "base/near_match.h"
#include "benchmark/dataset/corpora.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/methods/registry.h"
#include "benchmark/methods/resolve.h"
#include "net/status.h"
#include "server/service/corpus_plan.h"
#include "server/service/recipe_convert.h"
#include "server/service/run_scalars.h"
#include "server/service/target_groups.h"

namespace rwku::service {
namespace {

constexpr int kMaxRecipes = 100;
constexpr int kMaxSeeds = 1000;
constexpr int kMaxProbeSets = 64;
// Problems that are named; who has more will ask again anyway.
constexpr size_t kMaxErrors = 100;
constexpr size_t kMaxJobs = 100000;
// A table of missing corpora longer than this helps nobody.
constexpr size_t kMaxCorpusErrors = 10;

// The method that shows the model before unlearning.
constexpr absl::string_view kOriginal = "original";

std::string Message(const absl::Status& status) { return std::string(status.message()); }

bool HasProbeSet(const dataset::TargetInfo& target, const std::string& name) {
  return std::any_of(target.probe_sets.begin(), target.probe_sets.end(),
                     [&](dataset::ProbeSet set) { return dataset::ProbeSetName(set) == name; });
}

std::string Describe(const dataset::TargetInfo& target) {
  return absl::StrCat("target ", target.number, " \"", target.name, "\"");
}

// Gathers problems while the parts of a request are checked one after another.
class Planner {
 public:
  Planner(const v1::CreateRunRequest& request, const Catalog& catalog)
      : request_(request), catalog_(catalog) {
    plan_.spec = request.spec();
  }

  absl::StatusOr<RunPlan> Plan() {
    CheckRunScalars(request_, &plan_.spec, &errors_);
    CheckModel();
    CheckDataset();
    CheckRecipes();
    CheckModes();
    CheckProbeSets();
    CheckPrimers();
    CheckSeeds();
    CheckCorpora();
    CheckRetain();
    if (!errors_.empty()) {
      return net::InvalidFields(errors_);
    }
    return Expand();
  }

 private:
  bool Full() const { return errors_.size() >= kMaxErrors; }

  void Error(std::string field, std::string description) {
    if (Full()) {
      return;
    }
    errors_.push_back({std::move(field), std::move(description)});
  }

  void CheckModel() {
    absl::StatusOr<ModelInfo> model = catalog_.FindModel(plan_.spec.model());
    if (model.ok()) {
      model_ = *std::move(model);
    } else {
      Error("spec.model", Message(model.status()));
    }
  }

  void CheckDataset() {
    auto found = catalog_.FindDataset(plan_.spec.dataset());
    if (!found.ok()) {
      Error("spec.dataset", Message(found.status()));
      return;
    }
    dataset_ = *std::move(found);
    choices_ = ChooseTargets(*dataset_, &plan_.spec, [this](std::string field, std::string what) {
      Error(std::move(field), std::move(what));
    });
    std::set<int> seen;
    for (const JobTargets& choice : choices_) {
      for (const dataset::TargetInfo* target : choice.targets) {
        if (seen.insert(target->number).second) {
          targets_.push_back(target);
        }
      }
    }
  }

  void CheckRecipes() {
    const int count = plan_.spec.recipes_size();
    if (count < 1 || count > kMaxRecipes) {
      Error("spec.recipes", absl::StrCat("found ", count, ", expected 1 to ", kMaxRecipes));
      return;
    }
    std::map<std::string, int> labels;
    for (int i = 0; i < count; ++i) {
      const std::string field = absl::StrCat("spec.recipes[", i, "]");
      const absl::StatusOr<methods::RecipeRequest> request = FromProto(plan_.spec.recipes(i));
      if (!request.ok()) {
        const v1::ErrorDetails details = net::DetailsOf(request.status());
        for (const v1::FieldViolation& violation : details.violations()) {
          Error(absl::StrCat(field, ".", violation.field()), violation.description());
        }
        continue;
      }
      std::vector<methods::FieldError> problems;
      const auto recipe =
          methods::ResolveRecipe(*request,
                                 {.family = model_.family,
                                  .layers = model_.layers,
                                  .batch = plan_.spec.target_mode() == v1::TARGET_MODE_BATCH},
                                 &problems);
      if (!recipe.ok()) {
        for (const methods::FieldError& problem : problems) {
          Error(absl::StrCat(field, ".", problem.field), problem.description);
        }
        if (problems.empty()) {
          Error(field, Message(recipe.status()));
        }
        continue;
      }
      if (const auto [known, is_new] = labels.emplace(recipe->label, i); !is_new) {
        Error(absl::StrCat(field, ".label"),
              absl::StrCat("\"", recipe->label, "\" is the label of recipes[", known->second,
                           "], too; tables tell recipes apart by it, so give each its own"));
      }
      *plan_.spec.mutable_recipes(i) = ToProto(*recipe);
    }
  }

  // What some methods cannot do with several targets, epochs or weights.
  void CheckModes() {
    const v1::RunSpec& spec = plan_.spec;
    const bool sequential = spec.target_mode() == v1::TARGET_MODE_SEQUENTIAL;
    const bool group = sequential || spec.target_mode() == v1::TARGET_MODE_BATCH;
    if (sequential && spec.evaluate_epochs()) {
      Error("spec.evaluate_epochs",
            "found true with TARGET_MODE_SEQUENTIAL, which is evaluated after each target; "
            "evaluate the epochs of single or batch targets");
    }
    bool any_trains = false;
    for (int i = 0; i < spec.recipes_size(); ++i) {
      const std::string& name = spec.recipes(i).method();
      const auto method = methods::FindMethod(name, model_.family);
      if (!method.ok()) {
        any_trains = true;  // refused elsewhere
        continue;
      }
      const bool trains = !method->corpus.empty();
      any_trains = any_trains || trains;
      const std::string field = absl::StrCat("spec.recipes[", i, "].method");
      if (group && method->steers) {
        Error(field, absl::StrCat("\"", name,
                                  "\" steers away from one target; allowed with "
                                  "TARGET_MODE_SINGLE"));
      } else if (sequential && !trains && name != kOriginal) {
        Error(field, absl::StrCat("\"", name,
                                  "\" does not train, so nothing is left from target to target; "
                                  "allowed with TARGET_MODE_SEQUENTIAL are methods that train, and "
                                  "original"));
      }
    }
    if (!any_trains && spec.evaluate_epochs()) {
      Error("spec.evaluate_epochs", "found true, but no recipe trains");
    }
    if (!any_trains && spec.export_weights()) {
      Error("spec.export_weights", "found true, but no recipe trains");
    }
  }

  void CheckProbeSets() {
    const std::vector<std::string> evaluated = EvaluatedProbeSets();
    if (plan_.spec.probe_sets().empty()) {
      for (const std::string& name : evaluated) {
        if (std::any_of(targets_.begin(), targets_.end(),
                        [&](const auto* target) { return HasProbeSet(*target, name); })) {
          plan_.spec.add_probe_sets(name);
        }
      }
      for (const dataset::TargetInfo* target : targets_) {
        if (std::none_of(evaluated.begin(), evaluated.end(),
                         [&](const std::string& name) { return HasProbeSet(*target, name); })) {
          Error("spec.probe_sets",
                absl::StrCat(Describe(*target), " has none of ", absl::StrJoin(evaluated, ", ")));
          return;
        }
      }
      return;
    }
    if (plan_.spec.probe_sets_size() > kMaxProbeSets) {
      Error("spec.probe_sets", absl::StrCat("found ", plan_.spec.probe_sets_size(),
                                            ", allowed at most ", kMaxProbeSets));
      return;
    }
    std::set<std::string> seen;
    for (int i = 0; i < plan_.spec.probe_sets_size(); ++i) {
      const std::string& name = plan_.spec.probe_sets(i);
      const std::string field = absl::StrCat("spec.probe_sets[", i, "]");
      if (!seen.insert(name).second) {
        Error(field, absl::StrCat("\"", name, "\" is there twice"));
      } else if (const auto set = dataset::ParseProbeSet(name); !set.ok()) {
        Error(field, UnknownNameMessage("probe set", name, evaluated));
      } else {
        for (const dataset::TargetInfo* target : targets_) {
          if (!HasProbeSet(*target, name)) {
            Error(field, absl::StrCat(Describe(*target), " has no probe set \"", name, "\""));
            break;
          }
        }
      }
    }
  }

  // Two sets show the model solved questions, which are data like the probes.
  void CheckPrimers() {
    for (const dataset::ProbeSet set :
         {dataset::ProbeSet::kTruthfulQa, dataset::ProbeSet::kTriviaQa}) {
      const auto& names = plan_.spec.probe_sets();
      if (dataset_ == nullptr ||
          std::find(names.begin(), names.end(), dataset::ProbeSetName(set)) == names.end()) {
        continue;
      }
      if (const auto primer = dataset_->LoadPrimer(set); !primer.ok()) {
        Error("spec.probe_sets",
              absl::StrCat(dataset::ProbeSetName(set), ": ", Message(primer.status()),
                           "; name the sets to evaluate to leave it out"));
      }
    }
  }

  void CheckSeeds() {
    if (plan_.spec.seeds().empty()) {
      plan_.spec.add_seeds(kDefaultSeed);
    }
    if (plan_.spec.seeds_size() > kMaxSeeds) {
      Error("spec.seeds",
            absl::StrCat("found ", plan_.spec.seeds_size(), ", allowed at most ", kMaxSeeds));
      return;
    }
    std::set<uint64_t> seen;
    for (int i = 0; i < plan_.spec.seeds_size(); ++i) {
      if (!seen.insert(plan_.spec.seeds(i)).second) {
        Error(absl::StrCat("spec.seeds[", i, "]"),
              absl::StrCat(plan_.spec.seeds(i), " is there twice"));
      }
    }
  }

  // A method that trains needs its corpus for every target.
  void CheckCorpora() {
    if (plan_.spec.recipes_size() > kMaxRecipes) {
      return;
    }
    size_t missing = 0;
    for (int i = 0; i < plan_.spec.recipes_size(); ++i) {
      const std::string& name = plan_.spec.recipes(i).method();
      const auto method = methods::FindMethod(name, model_.family);
      if (!method.ok() || method->corpus.empty()) {
        continue;
      }
      const auto kind = dataset::ParseCorpusKind(method->corpus);
      if (!kind.ok()) {
        Error(absl::StrCat("spec.recipes[", i, "].method"), Message(kind.status()));
        continue;
      }
      const std::string corpus =
          std::filesystem::path(dataset::CorpusFile(*kind, model_.family)).stem().string();
      for (const dataset::TargetInfo* target : targets_) {
        if (std::find(target->corpora.begin(), target->corpora.end(), corpus) !=
            target->corpora.end()) {
          continue;
        }
        if (++missing > kMaxCorpusErrors) {
          return;
        }
        Error("spec.targets",
              absl::StrCat(
                  Describe(*target), " has no corpus \"", corpus, "\", which method \"", name,
                  "\" trains on; the dataset has ",
                  target->corpora.empty() ? "no corpus" : absl::StrJoin(target->corpora, ", "),
                  " for it"));
      }
    }
  }

  // Retain texts come from the targets' neighbor probes, or from targets that are not forgotten.
  void CheckRetain() {
    for (int i = 0; i < plan_.spec.recipes_size() && dataset_ != nullptr; ++i) {
      const v1::Retain& retain = plan_.spec.recipes(i).retain();
      const std::string field = absl::StrCat("spec.recipes[", i, "].retain.source");
      if (retain.term() == v1::RETAIN_TERM_KIND_UNSPECIFIED ||
          retain.term() == v1::RETAIN_TERM_KIND_NONE) {
        continue;
      }
      if (retain.source() == v1::RETAIN_SOURCE_NEIGHBORS) {
        const auto without = std::find_if(targets_.begin(), targets_.end(), [](const auto* target) {
          return !HasProbeSet(*target, "neighbor_level1") &&
                 !HasProbeSet(*target, "neighbor_level2");
        });
        if (without != targets_.end()) {
          Error(field, absl::StrCat("found neighbors, but ", Describe(**without),
                                    " has no neighbor probes"));
        }
        continue;
      }
      for (const JobTargets& choice : choices_) {
        if (choice.targets.size() >= dataset_->targets().size()) {
          Error(field, absl::StrCat("found targets, but \"", choice.name,
                                    "\" leaves no other target of the dataset"));
          break;
        }
      }
    }
  }

  absl::StatusOr<RunPlan> Expand() {
    const v1::RunSpec& spec = plan_.spec;
    const size_t count = choices_.size() * static_cast<size_t>(spec.recipes_size()) *
                         static_cast<size_t>(spec.seeds_size());
    if (count > kMaxJobs) {
      return net::InvalidFields(
          {{"spec", absl::StrCat(choices_.size(), " targets x ", spec.recipes_size(), " recipes x ",
                                 spec.seeds_size(), " seeds are ", count, " jobs, allowed at most ",
                                 kMaxJobs)}});
    }
    FillRun(request_, &plan_);
    plan_.jobs.reserve(count);
    for (const v1::Recipe& recipe : spec.recipes()) {
      for (const uint64_t seed : spec.seeds()) {
        for (const JobTargets& choice : choices_) {
          const auto index = static_cast<int>(plan_.jobs.size());
          AddJob(JobOf(choice, recipe, seed, index), &plan_);
        }
      }
    }
    return std::move(plan_);
  }

  v1::JobSpec JobOf(const JobTargets& choice, const v1::Recipe& recipe, uint64_t seed,
                    int index) const {
    const v1::RunSpec& spec = plan_.spec;
    v1::JobSpec job;
    job.set_model(spec.model());
    job.set_dataset(spec.dataset());
    job.set_target(choice.name);
    job.set_target_number(choice.number);
    job.set_target_mode(spec.target_mode());
    for (const dataset::TargetInfo* target : choice.targets) {
      v1::JobTarget* added = job.add_targets();
      added->set_name(target->name);
      added->set_number(target->number);
    }
    *job.mutable_recipe() = recipe;
    job.set_seed(seed);
    for (const std::string& name : spec.probe_sets()) {
      if (std::any_of(choice.targets.begin(), choice.targets.end(),
                      [&](const auto* target) { return HasProbeSet(*target, name); })) {
        job.add_probe_sets(name);
      }
    }
    *job.mutable_protocol() = spec.protocol();
    job.set_evaluate_epochs(spec.evaluate_epochs());
    job.set_shard_optimizer_state(spec.shard_optimizer_state());
    job.set_optimizer_on_host(spec.optimizer_on_host());
    const auto method = methods::FindMethod(recipe.method(), model_.family);
    if (spec.export_weights() && method.ok() && !method->corpus.empty()) {
      // The run has no id yet, which the folder's name starts with; WorkerService completes it.
      job.set_export_folder(absl::StrCat(index));
    }
    return job;
  }

  const v1::CreateRunRequest& request_;
  const Catalog& catalog_;
  RunPlan plan_;
  ModelInfo model_;
  std::shared_ptr<const dataset::Dataset> dataset_;
  std::vector<JobTargets> choices_;                  // one a job of each recipe and seed
  std::vector<const dataset::TargetInfo*> targets_;  // of all choices
  std::vector<net::FieldError> errors_;
};

}  // namespace

absl::StatusOr<RunPlan> PlanRun(const v1::CreateRunRequest& request, const Catalog& catalog) {
  if (request.spec().has_corpus()) {
    return PlanCorpusRun(request, catalog);
  }
  if (!request.spec().custom_targets().empty()) {
    return net::InvalidFields({{"spec.custom_targets", "goes with spec.corpus alone"}});
  }
  return Planner(request, catalog).Plan();
}

std::string RequestDigest(const v1::CreateRunRequest& request) {
  return Sha256Hex(request.spec().SerializeAsString());
}

void FillRun(const v1::CreateRunRequest& request, RunPlan* plan) {
  plan->run.payload = plan->spec.SerializeAsString();
  plan->run.request_id = request.request_id();
  plan->run.request_digest = RequestDigest(request);
  plan->run.priority = plan->spec.priority();
  plan->run.max_failures = plan->spec.max_failures();
  plan->run.ranks = plan->spec.data_parallel();
}

void AddJob(const v1::JobSpec& job, RunPlan* plan) {
  scheduler::JobRecord record;
  record.index = static_cast<int>(plan->jobs.size());
  record.payload = job.SerializeAsString();
  record.model = job.model();
  plan->jobs.push_back(std::move(record));
}

std::vector<std::string> EvaluatedProbeSets() {
  std::vector<std::string> names;
  names.reserve(dataset::kAllProbeSets.size());
  for (const dataset::ProbeSet set : dataset::kAllProbeSets) {
    names.emplace_back(dataset::ProbeSetName(set));
  }
  return names;
}

}  // namespace rwku::service
