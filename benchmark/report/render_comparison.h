// A comparison of two rows as text, CSV, JSON and Markdown.
#pragma once

#include <string>

#include "benchmark/report/comparison.h"

namespace rwku::report {

// One line a column that has shared targets: both means, difference, 95 % interval, p, p after
// Holm, the difference detectable with 80 % power, targets. A "*" marks an adjusted p below 0.05.
// Ends in a newline.
std::string RenderText(const Comparison& comparison);

// RFC 4180: column, first, second, difference, low, high, p, p_adjusted, detectable, targets; one
// line a column, missing figures empty, lines end in CRLF.
std::string RenderCsv(const Comparison& comparison);

// {"first", "second", "columns": [{"key", "title", "group", "higher_is_better", "first", "second",
// "difference", "low", "high", "p", "p_adjusted", "detectable", "targets"}]}; "first" and "second"
// of the document are labels, of a column means. Ends in a newline.
std::string RenderJson(const Comparison& comparison);

// The text's table as GitHub writes them.
std::string RenderMarkdown(const Comparison& comparison);

}  // namespace rwku::report
