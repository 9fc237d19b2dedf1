// The figures of the page, each a <figure> with an inline drawing; empty where the report has
// nothing to draw.
#pragma once

#include <string>

#include "benchmark/report/report.h"

namespace rwku::report {

// Forget All against Neighbor All, and against the mean relative change of the utility columns from
// the row before unlearning of the same run (%).
// A row that has a curve is the end of a line through its checkpoints.
std::string NeighborTradeOff(const ReportTable& main, const std::vector<ReportTable>& curves);
std::string UtilityTradeOff(const ReportTable& main);

// RM against FM.
std::string MembershipTradeOff(const ReportTable& main);

// Recall by attack type, a panel a row.
std::string AttackPanels(const ReportTable& attacks);

// Forget All of each target, a strip with a box a row.
std::string TargetDistribution(const Report& report);

// The number of each row's series (StyleOfSeries): 0 for rows before unlearning, the others count
// from 1.
std::vector<int> SeriesNumbers(const ReportTable& table);

// Mean over the utility columns that both rows have of (row - original) / original, in %; nullopt
// without any.
std::optional<double> UtilityChange(const ReportTable& main, const ReportRow& row,
                                    const ReportRow& original);

// The row before unlearning of the same run and group of targets as `row`, or nullptr.
const ReportRow* OriginalOf(const ReportTable& table, const ReportRow& row);

}  // namespace rwku::report
