#include "benchmark/report/selection.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/report/report.h"

namespace rwku::report {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

ReportTable Empty() {
  ReportTable table;
  table.columns = {{"forget_all", "All", "Forget", false},
                   {"neighbor_all", "All", "Neighbor", true},
                   {"gen", "Gen", "Utility", true},
                   {"fac", "Fac", "Utility", true}};
  return table;
}

using Figures = std::vector<std::optional<double>>;

ReportRow& Add(ReportTable* table, const std::string& label, const Figures& figures,
               const std::string& method = "npo", const std::string& group = "") {
  ReportRow row;
  row.label = label;
  row.run = "runs/1";
  row.jobs = row.jobs_succeeded = 4;
  row.recipe = {.model = "tiny", .method = method, .tuning = "full", .group = group};
  for (const std::optional<double>& figure : figures) {
    ReportCell cell;
    cell.value = figure;
    row.cells.push_back(cell);
  }
  table->rows.push_back(row);
  return table->rows.back();
}

std::vector<std::string> Labels(const Selection& selection, bool SelectionArm::*member) {
  std::vector<std::string> labels;
  for (const SelectionArm& arm : selection.arms) {
    if (arm.*member) {
      labels.push_back(arm.label);
    }
  }
  return labels;
}

TEST(SelectionTest, SharesAreThoseOfTheOriginalsRow) {
  ReportTable table = Empty();
  Add(&table, "original", {80, 50, 60, 20}, "original");
  Add(&table, "a", {30, 40, 60, 10});
  const Selection selection = Select(table, {});
  ASSERT_EQ(selection.arms.size(), 1U);
  EXPECT_THAT(selection.arms[0].neighbor_share, Optional(DoubleEq(0.8)));
  EXPECT_THAT(selection.arms[0].utility_share, Optional(DoubleEq((1.0 + 0.5) / 2)));
  EXPECT_TRUE(selection.arms[0].on_front);
  EXPECT_FALSE(selection.arms[0].within_budget);
}

TEST(SelectionTest, TheBestForgetWithinTheBudgetIsSelectedAndTheFrontIsWhatNobodyBeats) {
  ReportTable table = Empty();
  Add(&table, "original", {80, 100, 100, 100}, "original");
  Add(&table, "gentle", {60, 99, 99, 99});
  Add(&table, "good", {40, 92, 95, 95});
  Add(&table, "beaten", {45, 91, 95, 95});
  Add(&table, "hard", {10, 50, 80, 80});
  Add(&table, "useless", {65, 99, 50, 50});
  const Selection selection = Select(table, {});
  EXPECT_THAT(Labels(selection, &SelectionArm::on_front), ElementsAre("gentle", "good", "hard"));
  EXPECT_THAT(Labels(selection, &SelectionArm::within_budget),
              ElementsAre("gentle", "good", "beaten"));
  EXPECT_THAT(Labels(selection, &SelectionArm::selected), ElementsAre("good"));
  const Selection loose = Select(table, {.neighbor = 0.5, .utility = 0.8});
  EXPECT_THAT(Labels(loose, &SelectionArm::selected), ElementsAre("hard"));
  const Selection strict = Select(table, {.neighbor = 1, .utility = 1});
  EXPECT_THAT(Labels(strict, &SelectionArm::selected), IsEmpty());
}

TEST(SelectionTest, EqualArmsAreBothOnTheFrontAndTheFirstIsSelected) {
  ReportTable table = Empty();
  Add(&table, "original", {80, 100, 100, 100}, "original");
  Add(&table, "a", {40, 95, 100, 100});
  Add(&table, "b", {40, 95, 100, 100});
  const Selection selection = Select(table, {});
  EXPECT_THAT(Labels(selection, &SelectionArm::on_front), ElementsAre("a", "b"));
  EXPECT_THAT(Labels(selection, &SelectionArm::selected), ElementsAre("a"));
}

TEST(SelectionTest, ArmsThatCollapsedOrLackJobsAreNoCandidates) {
  ReportTable table = Empty();
  Add(&table, "original", {80, 100, 100, 100}, "original");
  Add(&table, "failed", {1, 100, 100, 100}).jobs_succeeded = 3;
  Add(&table, "collapsed", {1, 100, 100, 100}).jobs_collapsed = 2;
  Add(&table, "empty", {std::nullopt, 100, 100, 100});
  Add(&table, "blind", {1, std::nullopt, 100, 100});
  Add(&table, "a", {40, 95, 100, 100});
  const Selection selection = Select(table, {});
  std::vector<std::string> reasons;
  for (const SelectionArm& arm : selection.arms) {
    reasons.push_back(arm.excluded);
  }
  EXPECT_THAT(reasons, ElementsAre("1 of 4 jobs have no result", "2 of 4 jobs collapsed",
                                   "no forget figure", "no neighbor figure", ""));
  EXPECT_THAT(Labels(selection, &SelectionArm::on_front), ElementsAre("a"));
  EXPECT_THAT(Labels(selection, &SelectionArm::selected), ElementsAre("a"));
}

TEST(SelectionTest, WhatWasNotEvaluatedCountsForNothing) {
  ReportTable table = Empty();
  Add(&table, "original", {80, 100, std::nullopt, std::nullopt}, "original");
  Add(&table, "a", {40, 95, std::nullopt, std::nullopt});
  const Selection selection = Select(table, {});
  EXPECT_THAT(selection.arms[0].excluded, IsEmpty());
  EXPECT_TRUE(selection.arms[0].selected);
}

TEST(SelectionTest, WithoutAnOriginalTheBestFigureIsTheWhole) {
  ReportTable table = Empty();
  Add(&table, "a", {40, 80, 50, 50});
  Add(&table, "b", {60, 100, 100, 40});
  const Selection selection = Select(table, {});
  EXPECT_THAT(selection.arms[0].neighbor_share, Optional(DoubleEq(0.8)));
  EXPECT_THAT(selection.arms[1].utility_share, Optional(DoubleEq(0.9)));
  EXPECT_THAT(Labels(selection, &SelectionArm::selected), ElementsAre("b"));
}

TEST(SelectionTest, AnotherRunsOriginalServesWhereTheRunHasNone) {
  ReportTable table = Empty();
  Add(&table, "a", {40, 80, 50, 50});
  Add(&table, "original", {80, 100, 100, 100}, "original").run = "runs/0";
  EXPECT_THAT(Select(table, {}).arms[0].neighbor_share, Optional(DoubleEq(0.8)));
}

TEST(SelectionTest, GroupsAreFieldsOfTheirOwn) {
  ReportTable table = Empty();
  Add(&table, "original 1-2", {80, 100, 100, 100}, "original", "1-2");
  Add(&table, "original 1-4", {80, 50, 100, 100}, "original", "1-4");
  Add(&table, "a 1-2", {40, 95, 100, 100}, "npo", "1-2");
  Add(&table, "a 1-4", {60, 49, 100, 100}, "npo", "1-4");
  const Selection selection = Select(table, {});
  EXPECT_THAT(Labels(selection, &SelectionArm::selected), ElementsAre("a 1-2", "a 1-4"));
}

}  // namespace
}  // namespace rwku::report
