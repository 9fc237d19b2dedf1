// rwku results: the table of one or more runs.
#include <ostream>
#include <string>
#include <vector>

#include "benchmark/report/render.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"

namespace rwku::cli {
namespace {

// The table as the report library has it.
report::ReportTable FromProto(const v1::ReportTable& proto) {
  report::ReportTable table;
  table.title = proto.title();
  for (const v1::ReportColumn& column : proto.columns()) {
    table.columns.push_back(
        {column.key(), column.title(), column.group(), column.higher_is_better()});
  }
  for (const v1::ReportRow& proto_row : proto.rows()) {
    report::ReportRow row;
    row.label = proto_row.label();
    row.run = proto_row.run();
    row.jobs_succeeded = proto_row.jobs_succeeded();
    row.jobs = proto_row.jobs();
    for (const v1::ReportCell& proto_cell : proto_row.cells()) {
      report::ReportCell cell;
      if (proto_cell.has_value()) {
        cell.value = proto_cell.value();
      }
      cell.count = proto_cell.count();
      cell.targets = proto_cell.targets();
      row.cells.push_back(cell);
    }
    row.cells.resize(table.columns.size());  // a short row has missing figures
    table.rows.push_back(std::move(row));
  }
  return table;
}

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
