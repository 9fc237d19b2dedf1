#include "server/service/report_convert.h"

#include <optional>

namespace rwku::service {
namespace {

v1::ReportColumn ToProto(const report::ReportColumn& column) {
  v1::ReportColumn proto;
  proto.set_key(column.key);
  proto.set_title(column.title);
  proto.set_group(column.group);
  proto.set_higher_is_better(column.higher_is_better);
  proto.set_decimals(column.decimals);
  return proto;
}

v1::ReportCell ToProto(const report::ReportCell& cell) {
  v1::ReportCell proto;
  if (cell.value) {
    proto.set_value(*cell.value);
  }
  proto.set_count(cell.count);
  proto.set_targets(cell.targets);
  if (cell.low) {
    proto.set_low(*cell.low);
  }
  if (cell.high) {
    proto.set_high(*cell.high);
  }
  if (cell.published) {
    proto.set_published(*cell.published);
  }
  return proto;
}

v1::ComparisonCell ToProto(const report::ComparisonCell& cell) {
  v1::ComparisonCell proto;
  const auto set = [&proto](void (v1::ComparisonCell::*setter)(double),
                            const std::optional<double>& value) {
    if (value) {
      (proto.*setter)(*value);
    }
  };
  set(&v1::ComparisonCell::set_base, cell.first);
  set(&v1::ComparisonCell::set_other, cell.second);
  set(&v1::ComparisonCell::set_difference, cell.difference);
  set(&v1::ComparisonCell::set_low, cell.low);
  set(&v1::ComparisonCell::set_high, cell.high);
  set(&v1::ComparisonCell::set_p, cell.p);
  set(&v1::ComparisonCell::set_p_adjusted, cell.p_adjusted);
  set(&v1::ComparisonCell::set_detectable, cell.detectable);
  proto.set_targets(cell.targets);
  return proto;
}

}  // namespace

v1::ReportTable ToProto(const report::ReportTable& table) {
  v1::ReportTable proto;
  proto.set_title(table.title);
  proto.set_key(table.key);
  proto.set_caption(table.caption);
  proto.set_source(table.source);
  for (const report::ReportColumn& column : table.columns) {
    *proto.add_columns() = ToProto(column);
  }
  for (const report::ReportRow& row : table.rows) {
    v1::ReportRow* out = proto.add_rows();
    out->set_label(row.label);
    out->set_run(row.run);
    out->set_jobs(row.jobs);
    out->set_jobs_succeeded(row.jobs_succeeded);
    out->set_model(row.recipe.model);
    out->set_method(row.recipe.method);
    out->set_tuning(row.recipe.tuning);
    out->set_published(row.published);
    out->set_jobs_collapsed(row.jobs_collapsed);
    out->set_group(row.recipe.group);
    for (const report::ReportCell& cell : row.cells) {
      *out->add_cells() = ToProto(cell);
    }
  }
  return proto;
}

v1::Report ToProto(const report::Report& report) {
  v1::Report proto;
  proto.set_title(report.title);
  proto.mutable_notes()->Add(report.notes.begin(), report.notes.end());
  for (const report::ReportTable& table : report.tables) {
    *proto.add_tables() = ToProto(table);
  }
  for (const report::ReportTable& table : report.targets) {
    *proto.add_targets() = ToProto(table);
  }
  for (const report::ReportTable& table : report.curves) {
    *proto.add_curves() = ToProto(table);
  }
  return proto;
}

v1::Selection ToProto(const report::Selection& selection) {
  v1::Selection proto;
  proto.set_neighbor_budget(selection.budget.neighbor);
  proto.set_utility_budget(selection.budget.utility);
  for (const report::SelectionArm& arm : selection.arms) {
    v1::SelectionArm* out = proto.add_arms();
    out->set_label(arm.label);
    out->set_run(arm.run);
    if (arm.forget) {
      out->set_forget(*arm.forget);
    }
    if (arm.neighbor) {
      out->set_neighbor(*arm.neighbor);
    }
    if (arm.neighbor_share) {
      out->set_neighbor_share(*arm.neighbor_share);
    }
    if (arm.utility_share) {
      out->set_utility_share(*arm.utility_share);
    }
    out->set_on_front(arm.on_front);
    out->set_within_budget(arm.within_budget);
    out->set_selected(arm.selected);
    out->set_excluded(arm.excluded);
  }
  return proto;
}

v1::Comparison ToProto(const report::Comparison& comparison) {
  v1::Comparison proto;
  proto.set_base(comparison.first);
  proto.set_other(comparison.second);
  for (const report::ReportColumn& column : comparison.columns) {
    *proto.add_columns() = ToProto(column);
  }
  for (const report::ComparisonCell& cell : comparison.cells) {
    *proto.add_cells() = ToProto(cell);
  }
  return proto;
}

}  // namespace rwku::service
