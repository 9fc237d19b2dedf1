#include "client/cli/report_convert.h"

#include <optional>
#include <utility>

namespace rwku::cli {
namespace {

// Of a column that does not say.
constexpr int kDecimals = 1;

report::ReportColumn FromProto(const v1::ReportColumn& proto) {
  return {.key = proto.key(),
          .title = proto.title(),
          .group = proto.group(),
          .higher_is_better = proto.higher_is_better(),
          .decimals = proto.decimals() > 0 ? proto.decimals() : kDecimals};
}

std::optional<double> Value(bool has, double value) {
  return has ? std::optional<double>(value) : std::nullopt;
}

report::ReportCell FromProto(const v1::ReportCell& proto) {
  return {.value = Value(proto.has_value(), proto.value()),
          .count = proto.count(),
          .targets = proto.targets(),
          .low = Value(proto.has_low(), proto.low()),
          .high = Value(proto.has_high(), proto.high()),
          .published = Value(proto.has_published(), proto.published())};
}

report::ComparisonCell FromProto(const v1::ComparisonCell& proto) {
  return {.first = Value(proto.has_base(), proto.base()),
          .second = Value(proto.has_other(), proto.other()),
          .difference = Value(proto.has_difference(), proto.difference()),
          .low = Value(proto.has_low(), proto.low()),
          .high = Value(proto.has_high(), proto.high()),
          .p = Value(proto.has_p(), proto.p()),
          .p_adjusted = Value(proto.has_p_adjusted(), proto.p_adjusted()),
          .detectable = Value(proto.has_detectable(), proto.detectable()),
          .targets = proto.targets()};
}

}  // namespace

report::ReportTable FromProto(const v1::ReportTable& proto) {
  report::ReportTable table;
  table.title = proto.title();
  table.key = proto.key();
  table.caption = proto.caption();
  table.source = proto.source();
  for (const v1::ReportColumn& column : proto.columns()) {
    table.columns.push_back(FromProto(column));
  }
  for (const v1::ReportRow& proto_row : proto.rows()) {
    report::ReportRow row;
    row.label = proto_row.label();
    row.run = proto_row.run();
    row.jobs_succeeded = proto_row.jobs_succeeded();
    row.jobs = proto_row.jobs();
    row.recipe = {proto_row.model(), proto_row.method(), proto_row.tuning(), proto_row.group()};
    row.jobs_collapsed = proto_row.jobs_collapsed();
    row.published = proto_row.published();
    for (const v1::ReportCell& cell : proto_row.cells()) {
      row.cells.push_back(FromProto(cell));
    }
    row.cells.resize(table.columns.size());
    table.rows.push_back(std::move(row));
  }
  return table;
}

report::Report FromProto(const v1::Report& proto) {
  report::Report report;
  report.title = proto.title();
  report.notes.assign(proto.notes().begin(), proto.notes().end());
  for (const v1::ReportTable& table : proto.tables()) {
    report.tables.push_back(FromProto(table));
  }
  for (const v1::ReportTable& table : proto.targets()) {
    report.targets.push_back(FromProto(table));
  }
  for (const v1::ReportTable& table : proto.curves()) {
    report.curves.push_back(FromProto(table));
  }
  return report;
}

report::Selection FromProto(const v1::Selection& proto) {
  report::Selection selection{
      {.neighbor = proto.neighbor_budget(), .utility = proto.utility_budget()}, {}};
  for (const v1::SelectionArm& arm : proto.arms()) {
    selection.arms.push_back(
        {.label = arm.label(),
         .run = arm.run(),
         .forget = Value(arm.has_forget(), arm.forget()),
         .neighbor = Value(arm.has_neighbor(), arm.neighbor()),
         .neighbor_share = Value(arm.has_neighbor_share(), arm.neighbor_share()),
         .utility_share = Value(arm.has_utility_share(), arm.utility_share()),
         .on_front = arm.on_front(),
         .within_budget = arm.within_budget(),
         .selected = arm.selected(),
         .excluded = arm.excluded()});
  }
  return selection;
}

report::Comparison FromProto(const v1::Comparison& proto) {
  report::Comparison comparison;
  comparison.first = proto.base();
  comparison.second = proto.other();
  for (const v1::ReportColumn& column : proto.columns()) {
    comparison.columns.push_back(FromProto(column));
  }
  for (const v1::ComparisonCell& cell : proto.cells()) {
    comparison.cells.push_back(FromProto(cell));
  }
  comparison.cells.resize(comparison.columns.size());
  return comparison;
}

}  // namespace rwku::cli
