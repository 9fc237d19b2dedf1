// rwku report: every table of one or more runs, for a terminal, a paper or a browser.
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "benchmark/report/render.h"
#include "benchmark/report/render_html.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/report_convert.h"

namespace rwku::cli {
namespace {

struct ReportFlags {
  std::vector<std::string> runs;
  std::string file;
  bool intervals = false;
  bool select = false;
  std::optional<double> neighbor_budget;
  std::optional<double> utility_budget;
};

std::string Render(const report::Report& report, const std::string& format, bool intervals) {
  if (format == "json") {
    return report::RenderJson(report);
  }
  if (format == "csv") {
    return report::RenderCsv(report);
  }
  if (format == "markdown") {
    return report::RenderMarkdown(report);
  }
  if (format == "latex") {
    return report::RenderLatex(report);
  }
  if (format == "html") {
    return report::RenderHtml(report);
  }
  return report::RenderText(report, intervals);
}

int Report(Session& session, const ReportFlags& flags) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  std::vector<std::string> runs;
  runs.reserve(flags.runs.size());
  for (const std::string& run : flags.runs) {
    runs.push_back(RunResource(run));
  }
  std::optional<v1::SelectionBudget> budget;
  if (flags.select || flags.neighbor_budget || flags.utility_budget) {
    budget.emplace();
    if (flags.neighbor_budget) {
      budget->set_neighbor(*flags.neighbor_budget);
    }
    if (flags.utility_budget) {
      budget->set_utility(*flags.utility_budget);
    }
  }
  const absl::StatusOr<v1::GetReportResponse> answer = (*client)->GetFullReport(runs, budget);
  if (!answer.ok()) {
    return session.Fail(answer.status());
  }
  report::Report report = FromProto(answer->report());
  if (answer->has_selection()) {
    report.selection = FromProto(answer->selection());
  }
  const std::string text = Render(report, session.globals().output, flags.intervals);
  if (flags.file.empty()) {
    session.out() << text;
    return kExitDone;
  }
  if (const absl::Status status = WriteFileAtomically(flags.file, text); !status.ok()) {
    return session.Fail(status);
  }
  if (!session.globals().quiet) {
    session.err() << "report written to " << flags.file << "\n";
  }
  return kExitDone;
}

}  // namespace

void AddReport(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "report", "Print every table of one or more runs, with intervals and the paper's figures",
      {"rwku report r0000000a", "rwku report r0000000a --output html --file report.html",
       "rwku report r0000000a r0000000b --output latex > tables.tex",
       "rwku report r0000000a --select --neighbor-budget 0.95"},
      "Formats: table, json, csv, markdown, latex, html (one page by itself, with figures).\n");
  auto flags = std::make_shared<ReportFlags>();
  app->add_option("RUN", flags->runs, "Runs to report on")->required();
  app->add_option("--file", flags->file, "Write to this file instead of standard output");
  app->add_flag("--intervals", flags->intervals, "Show 95 % intervals in the table format");
  app->add_flag("--select", flags->select,
                "Mark the row that forgets best at what that may cost, and the Pareto front");
  app->add_option("--neighbor-budget", flags->neighbor_budget,
                  "Share of neighbor All that must be left, 0..1 (default: 0.9); selects, too");
  app->add_option("--utility-budget", flags->utility_budget,
                  "Share of utility that must be left, 0..1 (default: 0.9); selects, too");
  Command command;
  command.formats = {"table", "json", "csv", "markdown", "latex", "html"};
  command.run = [flags](Session& session) { return Report(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
