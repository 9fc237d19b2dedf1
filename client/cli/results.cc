// rwku results: the table of one or more runs.
#include <ostream>
#include <string>
#include <vector>

#include "benchmark/report/render.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/report_convert.h"

namespace rwku::cli {
namespace {

int Results(Session& session, const std::vector<std::string>& typed) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  std::vector<std::string> runs;
  runs.reserve(typed.size());
  for (const std::string& run : typed) {
    runs.push_back(RunResource(run));
  }
  const absl::StatusOr<v1::ReportTable> answer = (*client)->GetReport(runs);
  if (!answer.ok()) {
    return session.Fail(answer.status());
  }
  const report::ReportTable table = FromProto(*answer);
  session.out() << (session.json()                      ? report::RenderJson(table)
                    : session.globals().output == "csv" ? report::RenderCsv(table)
                                                        : report::RenderText(table));
  return kExitDone;
}

}  // namespace

void AddResults(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "results", "Print the table of one or more runs",
      {"rwku results r0000000a", "rwku results r0000000a r0000000b --output csv > table.csv"},
      "Formats: table, json, csv.\n");
  auto runs = std::make_shared<std::vector<std::string>>();
  app->add_option("RUN", *runs, "Runs whose rows to print")->required();
  Command command;
  command.formats = {"table", "json", "csv"};
  command.run = [runs](Session& session) { return Results(session, *runs); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
