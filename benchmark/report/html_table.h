// A table of the page.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/report/report.h"

namespace rwku::report {

// A <table> in a container of its own that scrolls sideways, with `id` (unique in the page) on the
// table. Figures have their interval below, published figures and differences are rows of their
// own. At the foot stand the counts of a row without holes; a row with fewer says its own.
// Per-target tables have no counts.
std::string HtmlTable(const ReportTable& table, absl::string_view id);

}  // namespace rwku::report
