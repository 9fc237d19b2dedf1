// The methods of UnlearningService that show what can be submitted.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/near_match.h"
#include "benchmark/methods/family.h"
#include "benchmark/methods/registry.h"
#include "net/status.h"
#include "server/service/finish.h"
#include "server/service/recipe_convert.h"
#include "server/service/unlearning_service.h"

namespace rwku::service {
namespace {

constexpr char kDefaultFamily[] = "llama";

// The fields of a recipe that `method` reads.
std::vector<const char*> SettingsOf(const methods::MethodInfo& method) {
  std::vector<const char*> settings;
  if (method.objective != methods::Objective::kNone) {
    settings = {"learning_rate",     "batch_size",    "accumulation", "epochs", "warmup_steps",
                "max_gradient_norm", "cutoff_tokens", "max_texts",    "lora"};
  }
  if (method.objective != methods::Objective::kNone || method.steers) {
    settings.push_back("layers");
  }
  const auto add = [&settings](bool reads, const char* field) {
    if (reads) {
      settings.push_back(field);
    }
  };
  add(method.reads.beta, "beta");
  add(method.reads.beta2, "beta2");
  add(method.reads.margin, "margin");
  add(method.reads.strength, "strength");
  add(method.reads.layer, "layer");
  add(method.reads.retain, "retain");
  add(method.reads.retain, "forget_weight");
  return settings;
}

}  // namespace

UnlearningService::Reactor* UnlearningService::ListTargets(Context* context,
                                                           const v1::ListTargetsRequest* request,
                                                           v1::ListTargetsResponse* response) {
  return OnPool(context, [this, context, request, response](Reactor* reactor) {
    const auto found = catalog_->FindDataset(request->dataset());
    if (!found.ok()) {
      FinishWith(context, reactor,
                 net::InvalidFields({{"dataset", std::string(found.status().message())}}));
      return;
    }
    for (const dataset::TargetInfo& target : (*found)->targets()) {
      v1::Target* out = response->add_targets();
      out->set_number(target.number);
      out->set_name(target.name);
      out->set_intro(target.intro);
      for (const std::string& corpus : target.corpora) {
        out->add_corpora(corpus);
      }
      for (const dataset::ProbeSet set : target.probe_sets) {
        out->add_probe_sets(std::string(dataset::ProbeSetName(set)));
      }
    }
    FinishWith(context, reactor, absl::OkStatus());
  });
}

UnlearningService::Reactor* UnlearningService::ListModels(Context* context,
                                                          const v1::ListModelsRequest* /*request*/,
                                                          v1::ListModelsResponse* response) {
  return OnPool(context, [this, context, response](Reactor* reactor) {
    for (const ModelInfo& model : catalog_->Models()) {
      v1::Model* out = response->add_models();
      out->set_name(model.name);
      out->set_family(model.family);
      out->set_problem(model.problem);
    }
    FinishWith(context, reactor, absl::OkStatus());
  });
}

UnlearningService::Reactor* UnlearningService::ListDatasets(
    Context* context, const v1::ListDatasetsRequest* /*request*/,
    v1::ListDatasetsResponse* response) {
  return OnPool(context, [this, context, response](Reactor* reactor) {
    for (const std::string& name : catalog_->Datasets()) {
      const auto found = catalog_->FindDataset(name);
      if (!found.ok()) {
        continue;  // it vanished between the two looks
      }
      v1::Dataset* out = response->add_datasets();
      out->set_name(name);
      out->set_layout(std::string(dataset::LayoutName((*found)->layout())));
      out->set_target_count(static_cast<int>((*found)->targets().size()));
    }
    FinishWith(context, reactor, absl::OkStatus());
  });
}

UnlearningService::Reactor* UnlearningService::ListMethods(Context* context,
                                                           const v1::ListMethodsRequest* request,
                                                           v1::ListMethodsResponse* response) {
  const std::string family = request->family().empty() ? kDefaultFamily : request->family();
  const std::vector<std::string>& families = methods::Families();
  if (std::find(families.begin(), families.end(), family) == families.end()) {
    return Refuse(context, net::InvalidFields(
                               {{"family", UnknownNameMessage("model family", family, families)}}));
  }
  for (const methods::MethodInfo& method : methods::ListMethods(family)) {
    v1::Method* out = response->add_methods();
    out->set_name(method.name);
    out->set_summary(method.summary);
    out->set_formula(method.formula);
    out->set_corpus(method.corpus);
    for (const methods::Recipe& recipe : method.defaults) {
      *out->add_defaults() = ToProto(recipe);
    }
    for (const char* setting : SettingsOf(method)) {
      out->add_settings(setting);
    }
  }
  Reactor* reactor = context->DefaultReactor();
  FinishWith(context, reactor, absl::OkStatus());
  return reactor;
}

}  // namespace rwku::service
