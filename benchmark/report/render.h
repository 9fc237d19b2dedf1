// A report as text for people, CSV for spreadsheets, JSON for programs, and Markdown and LaTeX for
// papers; render_html.h has the page. The rows of a table given to these hold one cell a column.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/report/report.h"

namespace rwku::report {

// Aligned columns under their group's name, "-" for a missing figure. Below a row with published
// figures stand these and ours minus theirs. Below the table, how many probes and targets the
// figures come from, and the rows some of whose jobs did not succeed. Ends in a newline.
std::string RenderText(const ReportTable& table);

// Title, notes, the main table, the selection, and each other table that has a figure, with
// intervals where `intervals`:
// two lines below the row, its lower and its upper ends.
std::string RenderText(const Report& report, bool intervals);

// RFC 4180: a header line, then one line a row: label, run, jobs_succeeded, jobs and, for each
// column, its key, "<key>_n", "<key>_targets", "<key>_low", "<key>_high" and "<key>_published". A
// missing figure is an empty field. Lines end in CRLF.
std::string RenderCsv(const ReportTable& table);

// Every figure of every table on a line of its own: table, label, run, target (per-target tables
// only), column, value, low, high, n, targets, published. A selection has lines of the table
// "selection", too; its columns on_front, within_budget and selected are 1 or 0. RFC 4180 as above.
std::string RenderCsv(const Report& report);

// {"title", "columns": [{"key", "title", "group", "higher_is_better"}], "rows": [{"label", "run",
// "jobs_succeeded", "jobs", "cells": {<key>: {"value", "count", "targets", "low", "high",
// "published"}}}]}; a missing figure is null. A row with a published counterpart has its name as
// "published". Keys in this order, two spaces of indent, ends in a newline.
std::string RenderJson(const ReportTable& table);

// {"title", "notes": [...], "tables": [...], "targets": [...], "curves": [...]}; tables as above,
// after their "key" and before "columns" their "caption" and "source". With a selection also
// "selection": {"neighbor_budget", "utility_budget", "arms": [{"label", "run", "forget", ...}]}.
std::string RenderJson(const Report& report);

// A table as GitHub writes them: figures with their interval behind, "-" for a missing one, arrows
// for which way is better, published figures and differences as rows of their own, then the counts.
std::string RenderMarkdown(const ReportTable& table);
std::string RenderMarkdown(const Report& report);

// A `table*` environment for the packages booktabs and graphicx, scaled to the width of the text;
// labelled "tab:rwku-<key>". Text is escaped; what is beyond ASCII needs an engine for UTF-8.
std::string RenderLatex(const ReportTable& table);

// The same for the main table and each other that has a figure; a comment names the packages.
std::string RenderLatex(const Report& report);

// Columns that `text` takes on a terminal: 0 for a combining mark, 2 for a wide East Asian
// character or an emoji, 1 for any other.
int DisplayWidth(absl::string_view text);

}  // namespace rwku::report
