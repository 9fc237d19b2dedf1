// Reports and comparisons from the wire, as the report library prints them.
#pragma once

#include "rwku/v1/report.pb.h"

#include "benchmark/report/comparison.h"
#include "benchmark/report/report.h"

namespace rwku::cli {

// A row with fewer cells than columns gets missing ones.
report::ReportTable FromProto(const v1::ReportTable& proto);
report::Report FromProto(const v1::Report& proto);
report::Selection FromProto(const v1::Selection& proto);
report::Comparison FromProto(const v1::Comparison& proto);

}  // namespace rwku::cli
