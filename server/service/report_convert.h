// Reports and comparisons onto the wire.
#pragma once

#include "rwku/v1/report.pb.h"

#include "benchmark/report/comparison.h"
#include "benchmark/report/report.h"

namespace rwku::service {

v1::ReportTable ToProto(const report::ReportTable& table);
v1::Report ToProto(const report::Report& report);
v1::Selection ToProto(const report::Selection& selection);
v1::Comparison ToProto(const report::Comparison& comparison);

}  // namespace rwku::service
