#include "benchmark/report/render_html.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/embedded.h"
#include "benchmark/report/figures.h"
#include "benchmark/report/html_table.h"
#include "benchmark/report/selection_grid.h"
#include "benchmark/report/svg.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr size_t kMostOpenRows = 12;  // per-target tables beyond are folded

void AppendHead(const Report& report, std::string& out) {
  // The policy makes the browser itself refuse whatever a page could load.
  absl::StrAppend(&out,
                  "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "style-src 'unsafe-inline'; img-src data:\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n<title>",
                  EscapedMarkup(report.title), "</title>\n<style>\n", PageCss(),
                  "</style>\n</head>\n");
}

bool HasTargets(const Report& report) {
  return std::any_of(report.targets.begin(), report.targets.end(), HasFigure);
}

void AppendContents(const Report& report, bool has_figures, std::string& out) {
  absl::StrAppend(&out, "<nav aria-label=\"Contents\"><ul>\n");
  for (const ReportTable& table : report.tables) {
    if (!IsShown(table)) {
      continue;
    }
    absl::StrAppend(&out, "<li><a href=\"#", EscapedMarkup(table.key), "\">",
                    EscapedMarkup(table.title), "</a></li>\n");
    if (report.selection && table.key == "main") {
      absl::StrAppend(&out, "<li><a href=\"#selection\">", kSelectionTitle, "</a></li>\n");
    }
    if (has_figures && table.key == "main") {
      absl::StrAppend(&out, "<li><a href=\"#figures\">Figures</a></li>\n");
    }
  }
  if (!report.curves.empty()) {
    absl::StrAppend(&out, "<li><a href=\"#curves\">Curves</a></li>\n");
  }
  if (HasTargets(report)) {
    absl::StrAppend(&out, "<li><a href=\"#targets\">Targets</a></li>\n");
  }
  absl::StrAppend(&out, "</ul></nav>\n");
}

void AppendTable(const ReportTable& table, std::string& out) {
  absl::StrAppend(&out, "<section id=\"", EscapedMarkup(table.key), "\">\n<h2>",
                  EscapedMarkup(table.title), "</h2>\n");
  absl::StrAppend(
      &out, "<p class=\"caption\">", EscapedMarkup(table.caption),
      HasInterval(table) ? " Below a figure: its 95&nbsp;% bootstrap interval over targets." : "",
      "</p>\n", HtmlTable(table, absl::StrCat("table-", EscapedMarkup(table.key))));
  if (!table.source.empty()) {
    absl::StrAppend(&out, "<p class=\"caption\">Published: ", EscapedMarkup(table.source),
                    ".</p>\n");
  }
  for (const std::string& line : JobRemarks(table)) {
    if (table.key == "main") {
      absl::StrAppend(&out, "<p class=\"caption\">", EscapedMarkup(line), ".</p>\n");
    }
  }
  absl::StrAppend(&out, "</section>\n");
}

void AppendSelection(const Selection& selection, std::string& out) {
  const SelectionGrid grid = GridOf(selection);
  absl::StrAppend(&out, "<section id=\"selection\">\n<h2>", kSelectionTitle,
                  "</h2>\n<p class=\"caption\">", EscapedMarkup(grid.caption),
                  "</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
                  kSelectionTitle,
                  "\">\n<table id=\"table-selection\" class=\"narrow\">\n<caption>",
                  kSelectionTitle, "</caption>\n<thead>\n<tr>");
  for (size_t i = 0; i < grid.head.size(); ++i) {
    absl::StrAppend(&out, "<th", i == 0 ? " class=\"head\"" : "", " scope=\"col\">",
                    EscapedMarkup(grid.head[i]), "</th>");
  }
  absl::StrAppend(&out, "</tr>\n</thead>\n<tbody>\n");
  for (const SelectionGrid::Row& row : grid.rows) {
    absl::StrAppend(&out, "<tr><th class=\"head\" scope=\"row\">", EscapedMarkup(row.fields[0]),
                    "</th>");
    for (size_t i = 1; i < row.fields.size(); ++i) {
      const std::string field = EscapedMarkup(row.fields[i]);
      absl::StrAppend(&out, "<td>", row.selected ? "<b>" : "", field, row.selected ? "</b>" : "",
                      "</td>");
    }
    absl::StrAppend(&out, "</tr>\n");
  }
  absl::StrAppend(&out, "</tbody>\n</table>\n</div>\n</section>\n");
}

void AppendCurves(const Report& report, std::string& out) {
  if (report.curves.empty()) {
    return;
  }
  absl::StrAppend(&out, "<section id=\"curves\">\n<h2>Curves</h2>\n<p class=\"caption\">",
                  EscapedMarkup(report.curves.front().caption), "</p>\n");
  for (size_t i = 0; i < report.curves.size(); ++i) {
    const ReportTable& table = report.curves[i];
    absl::StrAppend(&out, "<details", table.rows.size() <= kMostOpenRows ? " open" : "",
                    "><summary>", EscapedMarkup(table.title), "</summary>\n",
                    HtmlTable(table, absl::StrCat("table-curve-", i)), "</details>\n");
  }
  absl::StrAppend(&out, "</section>\n");
}

void AppendTargets(const Report& report, std::string& out) {
  if (!HasTargets(report)) {
    return;
  }
  absl::StrAppend(&out, "<section id=\"targets\">\n<h2>Targets</h2>\n");
  const ReportTable* const main = FindTable(report, "main");
  const std::vector<std::string> labels =
      main == nullptr ? std::vector<std::string>() : RowLabels(*main);
  for (size_t i = 0; i < report.targets.size(); ++i) {
    const ReportTable& table = report.targets[i];
    if (!IsShown(table)) {
      continue;
    }
    absl::StrAppend(&out, "<details", table.rows.size() <= kMostOpenRows ? " open" : "",
                    "><summary>", EscapedMarkup(i < labels.size() ? labels[i] : table.title), ", ",
                    table.rows.size(), table.rows.size() == 1 ? " target" : " targets",
                    "</summary>\n", HtmlTable(table, absl::StrCat("table-targets-", i)),
                    "</details>\n");
  }
  absl::StrAppend(&out, "</section>\n");
}

std::string Figures(const Report& report) {
  std::string figures;
  if (const ReportTable* const main = FindTable(report, "main"); main != nullptr) {
    absl::StrAppend(&figures, NeighborTradeOff(*main, report.curves), UtilityTradeOff(*main),
                    MembershipTradeOff(*main));
  }
  absl::StrAppend(&figures, TargetDistribution(report));
  if (const ReportTable* const attacks = FindTable(report, "attack_types"); attacks != nullptr) {
    absl::StrAppend(&figures, AttackPanels(*attacks));
  }
  return figures;
}

}  // namespace

std::string RenderHtml(const Report& report) {
  std::string out;
  AppendHead(report, out);
  const std::string figures = Figures(report);
  absl::StrAppend(&out,
                  "<body>\n<main>\n<header>\n<p class=\"kicker\">RWKU unlearning report</p>\n<h1>",
                  EscapedMarkup(report.title), "</h1>\n");
  for (const std::string& note : report.notes) {
    absl::StrAppend(&out, "<p class=\"note\">", EscapedMarkup(note), "</p>\n");
  }
  AppendContents(report, !figures.empty(), out);
  absl::StrAppend(&out, "</header>\n");
  for (const ReportTable& table : report.tables) {
    if (IsShown(table)) {
      AppendTable(table, out);
    }
    if (table.key == "main" && report.selection) {
      AppendSelection(*report.selection, out);
    }
    if (table.key == "main" && !figures.empty()) {
      absl::StrAppend(&out, "<section id=\"figures\">\n<h2>Figures</h2>\n<div class=\"figures\">\n",
                      figures, "</div>\n</section>\n");
    }
  }
  AppendCurves(report, out);
  AppendTargets(report, out);
  absl::StrAppend(
      &out,
      "<footer>\n<p>A figure is the mean over the probes of a target, then over targets. "
      "Intervals: 95&nbsp;% percentile bootstrap over targets, 10,000 resamples. A figure "
      "that could not be computed is missing (–), never 0. Benchmark: Jin et al., RWKU, "
      "NeurIPS 2024, <a href=\"https://arxiv.org/abs/2406.10890\">arXiv:2406.10890</a>."
      "</p>\n</footer>\n</main>\n</body>\n</html>\n");
  return out;
}

}  // namespace rwku::report
