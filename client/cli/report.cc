// rwku report: every table of one or more runs, for a terminal, a paper or a browser.
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
  const absl::StatusOr<v1::Report> answer = (*client)->GetFullReport(runs);
  if (!answer.ok()) {
    return session.Fail(answer.status());
  }
  const std::string text = Render(FromProto(*answer), session.globals().output, flags.intervals);
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
       "rwku report r0000000a r0000000b --output latex > tables.tex"},
      "Formats: table, json, csv, markdown, latex, html (one page by itself, with figures).\n");
  auto flags = std::make_shared<ReportFlags>();
  app->add_option("RUN", flags->runs, "Runs to report on")->required();
  app->add_option("--file", flags->file, "Write to this file instead of standard output");
  app->add_flag("--intervals", flags->intervals, "Show 95 % intervals in the table format");
  Command command;
  command.formats = {"table", "json", "csv", "markdown", "latex", "html"};
  command.run = [flags](Session& session) { return Report(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
