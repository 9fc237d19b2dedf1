// rwku targets, models, datasets and methods: what can be submitted.
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/near_match.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

// Prints the items as JSON (in `response`) or as the table that `fill` makes of them.
template <typename Item, typename Response, typename Fill>
int Print(const Session& session, const absl::StatusOr<std::vector<Item>>& items,
          Response& response, google::protobuf::RepeatedPtrField<Item>* (Response::*field)(),
          TextTable table, const Fill& fill) {
  if (!items.ok()) {
    return session.Fail(items.status());
  }
  if (session.json()) {
    (response.*field)()->Add(items->begin(), items->end());
    session.PrintJson(response);
    return kExitDone;
  }
  for (const Item& item : *items) {
    fill(table, item);
  }
  session.out() << table.Render(session.table_width());
  return kExitDone;
}

int Targets(Session& session, const std::string& dataset) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  v1::ListTargetsResponse response;
  return Print(session, (*client)->ListTargets(dataset), response,
               &v1::ListTargetsResponse::mutable_targets,
               TextTable({">NUMBER", "NAME", "CORPORA", ">SETS", "INTRO"}),
               [](TextTable& table, const v1::Target& target) {
                 table.AddRow({absl::StrCat(target.number()), target.name(),
                               absl::StrJoin(target.corpora(), ","),
                               absl::StrCat(target.probe_sets_size()), target.intro()});
               });
}

int Models(Session& session) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  v1::ListModelsResponse response;
  return Print(session, (*client)->ListModels(), response, &v1::ListModelsResponse::mutable_models,
               TextTable({"MODEL", "FAMILY", "PROBLEM"}),
               [](TextTable& table, const v1::Model& model) {
                 table.AddRow({model.name(), model.family(), model.problem()});
               });
}

int Datasets(Session& session) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  v1::ListDatasetsResponse response;
  return Print(
      session, (*client)->ListDatasets(), response, &v1::ListDatasetsResponse::mutable_datasets,
      TextTable({"DATASET", "LAYOUT", ">TARGETS"}),
      [](TextTable& table, const v1::Dataset& dataset) {
        table.AddRow({dataset.name(), dataset.layout(), absl::StrCat(dataset.target_count())});
      });
}

void PrintMethod(const Session& session, const v1::Method& method) {
  session.out() << "method    " << OneLine(method.name()) << "\n"
                << "summary   " << OneLine(method.summary()) << "\n"
                << "formula   " << OneLine(method.formula()) << "\n"
                << "corpus    " << (method.corpus().empty() ? "-" : OneLine(method.corpus()))
                << "\n";
  const char* title = "defaults  ";
  for (const v1::Recipe& recipe : method.defaults()) {
    session.out() << title << OneLine(RecipeText(recipe)) << "\n";
    title = "          ";
  }
}

// Keeps the method called `name` only.
absl::Status Select(const std::string& name, std::vector<v1::Method>& methods) {
  std::vector<std::string> known;
  for (v1::Method& method : methods) {
    if (method.name() == name) {
      methods = {std::move(method)};
      return absl::OkStatus();
    }
    known.push_back(method.name());
  }
  return absl::NotFoundError(UnknownNameMessage("method", name, known));
}

int Methods(Session& session, const std::string& family, const std::string& name) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  absl::StatusOr<std::vector<v1::Method>> methods = (*client)->ListMethods(family);
  if (methods.ok() && !name.empty()) {
    if (const absl::Status found = Select(name, *methods); !found.ok()) {
      return session.Fail(found);
    }
    if (!session.json()) {
      PrintMethod(session, methods->front());
      return kExitDone;
    }
  }
  v1::ListMethodsResponse response;
  return Print(session, methods, response, &v1::ListMethodsResponse::mutable_methods,
               TextTable({"METHOD", "TUNINGS", "CORPUS", "SUMMARY"}),
               [](TextTable& table, const v1::Method& method) {
                 std::vector<std::string> tunings;
                 for (const v1::Recipe& recipe : method.defaults()) {
                   tunings.emplace_back(TuningName(recipe.tuning()));
                 }
                 table.AddRow({method.name(), absl::StrJoin(tunings, ","), method.corpus(),
                               method.summary()});
               });
}

}  // namespace

void AddTargets(CommandTree& tree) {
  CLI::App* app = tree.Add("targets", "List the targets of a dataset", {"rwku targets rwku"});
  auto dataset = std::make_shared<std::string>();
  app->add_option("DATASET", *dataset, "Name of the dataset")->required();
  Command command;
  command.dataset = dataset.get();
  command.run = [dataset](Session& session) { return Targets(session, *dataset); };
  tree.Define(app, std::move(command));
}

void AddModels(CommandTree& tree) {
  CLI::App* app = tree.Add("models", "List the models that the server has", {"rwku models"});
  Command command;
  command.run = Models;
  tree.Define(app, std::move(command));
}

void AddDatasets(CommandTree& tree) {
  CLI::App* app = tree.Add("datasets", "List the datasets that the server has", {"rwku datasets"});
  Command command;
  command.run = Datasets;
  tree.Define(app, std::move(command));
}

void AddMethods(CommandTree& tree) {
  CLI::App* app =
      tree.Add("methods", "List the methods, or show one with its formula and defaults",
               {"rwku methods", "rwku methods npo", "rwku methods --family llama --output json"});
  auto name = std::make_shared<std::string>();
  app->add_option("METHOD", *name, "Method to show (default: list all)");
  auto family = std::make_shared<std::string>();
  app->add_option("--family", *family, "Model family whose defaults to show (default: llama)");
  Command command;
  command.run = [family, name](Session& session) { return Methods(session, *family, *name); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
