// A report as one page.
#pragma once

#include <string>

#include "benchmark/report/report.h"

namespace rwku::report {

// One HTML file by itself: the main table and each other that has a figure, and figures as inline
// SVG. It loads nothing, runs no script, follows the reader's light or dark scheme, prints, and
// fits a phone. Series differ by colour (Okabe & Ito's) and by shape. All text from the report is
// escaped.
std::string RenderHtml(const Report& report);

}  // namespace rwku::report
