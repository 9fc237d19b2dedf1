// rwku compare: is the difference between two runs more than chance?
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/render_comparison.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/report_convert.h"

namespace rwku::cli {
namespace {

struct CompareFlags {
  std::string base;
  std::string other;
  std::vector<std::string> recipes;
};

void PrintAll(Session& session, const std::vector<v1::Comparison>& comparisons) {
  const std::string& format = session.globals().output;
  std::vector<std::string> texts;
  texts.reserve(comparisons.size());
  for (const v1::Comparison& proto : comparisons) {
    const report::Comparison comparison = FromProto(proto);
    texts.push_back(format == "json"       ? report::RenderJson(comparison)
                    : format == "csv"      ? report::RenderCsv(comparison)
                    : format == "markdown" ? report::RenderMarkdown(comparison)
                                           : report::RenderText(comparison));
  }
  const bool json = session.json();
  session.out() << (json ? "{\"comparisons\": [\n" : "");
  for (size_t i = 0; i < texts.size(); ++i) {
    session.out() << (i == 0 ? "" : json ? "," : "\n") << texts[i];
  }
  session.out() << (json ? "]}\n" : "");
}

int Compare(Session& session, const CompareFlags& flags) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  v1::CompareRunsRequest request;
  request.set_base(RunResource(flags.base));
  request.set_other(RunResource(flags.other.empty() ? flags.base : flags.other));
  if (!flags.recipes.empty()) {
    request.set_base_recipe(flags.recipes.front());
    request.set_other_recipe(flags.recipes.back());
  }
  const auto answer = (*client)->CompareRuns(request);
  if (!answer.ok()) {
    return session.Fail(answer.status());
  }
  PrintAll(session, *answer);
  return kExitDone;
}

}  // namespace

void AddCompare(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "compare", "Compare two runs, or two recipes of a run, over the targets that both have",
      {"rwku compare r0000000a r0000000b", "rwku compare r0000000a --recipes ga npo",
       "rwku compare r0000000a r0000000b --recipes ga ga-lora --output csv"},
      "Prints for each figure the paired difference (B - A) with its 95 % interval, the p-value of "
      "a\n"
      "sign-flip test, the same after Holm's correction, and the smallest difference that so many\n"
      "targets would show. Formats: table, json, csv, markdown.\n");
  auto flags = std::make_shared<CompareFlags>();
  app->add_option("A", flags->base, "Run to compare with")->required();
  app->add_option("B", flags->other, "The other run (default: the same one)");
  app->add_option("--recipes", flags->recipes,
                  "Labels of the recipe of A and that of B (default: every label both have)")
      ->expected(2);
  Command command;
  command.formats = {"table", "json", "csv", "markdown"};
  command.run = [flags](Session& session) { return Compare(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
