// A report as text for people, CSV for spreadsheets and JSON for programs. The rows of a table
// given to these hold one cell a column.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/report/report.h"

namespace rwku::report {

// Aligned columns under their group's name, one decimal, "-" for a missing figure; below, how many
// probes and targets the figures come from, and the rows some of whose jobs did not succeed. Ends
// in a newline.
std::string RenderText(const ReportTable& table);

// RFC 4180: a header line, then one line a row: label, run, jobs_succeeded, jobs and, for each
// column, its key, "<key>_n" and "<key>_targets". A missing figure is an empty field. Lines end in
// CRLF.
std::string RenderCsv(const ReportTable& table);

// {"title", "columns": [{"key", "title", "group", "higher_is_better"}], "rows": [{"label", "run",
// "jobs_succeeded", "jobs", "cells": {<key>: {"value", "count", "targets"}}}]}; a missing figure is
// null. Keys in this order, two spaces of indent, ends in a newline.
std::string RenderJson(const ReportTable& table);

// Columns that `text` takes on a terminal: 0 for a combining mark, 2 for a wide East Asian
// character or an emoji, 1 for any other.
int DisplayWidth(absl::string_view text);

}  // namespace rwku::report
