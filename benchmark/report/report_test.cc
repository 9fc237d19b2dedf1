#include "benchmark/report/report.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"

namespace rwku::report {
namespace {

using ::rwku::dataset::ProbeSet;
using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Optional;

constexpr absl::string_view kRecall = "rouge_l_recall";

const ReportCell& Cell(const ReportTable& table, size_t row, absl::string_view key) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].key == std::string(key)) {
      return table.rows.at(row).cells.at(i);
    }
  }
  ADD_FAILURE() << "no column " << key;
  return table.rows.at(row).cells.at(0);
}

TEST(SummaryColumnsTest, AreThePapersInOrder) {
  std::vector<std::string> keys;
  for (const ReportColumn& column : SummaryColumns()) {
    keys.push_back(column.key);
  }
  EXPECT_THAT(keys, ElementsAre("forget_fb", "forget_qa", "forget_aa", "forget_all", "neighbor_fb",
                                "neighbor_qa", "neighbor_all", "mia_forget", "mia_retain"));
}

TEST(SummaryColumnsTest, SayWhichWayIsBetter) {
  for (const ReportColumn& column : SummaryColumns()) {
    EXPECT_EQ(column.higher_is_better, column.group == "Neighbor" || column.key == "mia_forget")
        << column.key;
  }
}

TEST(ReportBuilderTest, AveragesOverProbesOfATargetAndThenOverTargets) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 2, 2);
  for (const double recall : {0.0, 0.0, 0.3}) {
    builder.AddScore(row, "A", ProbeSet::kForgetLevel1, kRecall, recall);
  }
  builder.AddScore(row, "B", ProbeSet::kForgetLevel1, kRecall, 0.5);
  const ReportTable table = builder.Build();
  const ReportCell& cell = Cell(table, row, "forget_fb");
  EXPECT_THAT(cell.value, Optional(DoubleNear(30.0, 1e-12)));  // not 20, the mean of all four
  EXPECT_EQ(cell.count, 4);
  EXPECT_EQ(cell.targets, 2);
}

TEST(ReportBuilderTest, AllIsTheMeanOverAllProbesOfTheLevels) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel2, kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kNeighborLevel1, kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kNeighborLevel2, kRecall, 0.5);
  const ReportTable table = builder.Build();
  EXPECT_THAT(Cell(table, row, "forget_all").value, Optional(DoubleEq(25.0)));
  EXPECT_EQ(Cell(table, row, "forget_all").count, 4);
  EXPECT_THAT(Cell(table, row, "neighbor_all").value, Optional(DoubleEq(75.0)));
}

TEST(ReportBuilderTest, MembershipIsTheMeanNegativeLogLikelihood) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("original", "runs/1", 1, 1);
  evaluate::Prediction prediction;
  prediction.target = "A";
  prediction.probe_set = ProbeSet::kForgetMia;
  prediction.scores = {{"loss", -2.267}, {"zlib", -0.01}, {"min_k_20", -8.0}};
  builder.Add(row, prediction);
  prediction.probe_set = ProbeSet::kRetainMia;
  prediction.scores = {{"loss", -2.304}};
  builder.Add(row, prediction);
  const ReportTable table = builder.Build();
  EXPECT_THAT(Cell(table, row, "mia_forget").value, Optional(DoubleNear(226.7, 1e-9)));
  EXPECT_THAT(Cell(table, row, "mia_retain").value, Optional(DoubleNear(230.4, 1e-9)));
  EXPECT_EQ(Cell(table, row, "mia_forget").count, 1);
}

TEST(ReportBuilderTest, MissingValuesAreCountedOut) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 2, 2);
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "loss", -1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "loss", std::nullopt);
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "loss",
                   std::numeric_limits<double>::quiet_NaN());
  builder.AddScore(row, "B", ProbeSet::kForgetMia, "loss", std::nullopt);
  const ReportTable table = builder.Build();
  const ReportCell& cell = Cell(table, row, "mia_forget");
  EXPECT_THAT(cell.value, Optional(DoubleEq(100.0)));
  EXPECT_EQ(cell.count, 1);
  EXPECT_EQ(cell.targets, 1);
}

TEST(ReportBuilderTest, AMissingJobLeavesMissingCellsAndNeverAScore) {
  ReportBuilder builder("t");
  const size_t failed = builder.AddRow("npo", "runs/1", 0, 3);
  const ReportTable table = builder.Build();
  ASSERT_EQ(table.rows.at(failed).cells.size(), table.columns.size());
  for (const ReportCell& cell : table.rows.at(failed).cells) {
    EXPECT_EQ(cell.value, std::nullopt);
    EXPECT_EQ(cell.count, 0);
    EXPECT_EQ(cell.targets, 0);
  }
  EXPECT_EQ(table.rows.at(failed).jobs_succeeded, 0);
  EXPECT_EQ(table.rows.at(failed).jobs, 3);
}

TEST(ReportBuilderTest, ScoresAndSetsWithoutAColumnAreLeftOut) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  builder.AddScore(row, "A", ProbeSet::kMmlu, "accuracy", 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "token_f1", 1.0);
  const ReportTable table = builder.Build();
  for (const ReportCell& cell : table.rows.at(row).cells) {
    EXPECT_EQ(cell.count, 0);
  }
}

TEST(ReportBuilderTest, TheOrderOfArrivalChangesNoBit) {
  const std::vector<double> recalls = {0.1, 0.7, 1.0 / 3, 0.2, 1e-3, 0.9, 2.0 / 7};
  ReportBuilder forward("t");
  ReportBuilder backward("t");
  const size_t row = forward.AddRow("ga", "runs/1", 1, 1);
  ASSERT_EQ(backward.AddRow("ga", "runs/1", 1, 1), row);
  for (size_t i = 0; i < recalls.size(); ++i) {
    forward.AddScore(row, "A", ProbeSet::kForgetLevel1, kRecall, recalls[i]);
    backward.AddScore(row, "A", ProbeSet::kForgetLevel1, kRecall, recalls[recalls.size() - 1 - i]);
  }
  EXPECT_EQ(Cell(forward.Build(), row, "forget_fb").value,
            Cell(backward.Build(), row, "forget_fb").value);
}

TEST(ReportBuilderTest, TheReferencesLossesGiveItsFigures) {
  const char* const shared = std::getenv("RWKU_SHARED");
  const std::filesystem::path golden = std::filesystem::path(shared == nullptr ? "" : shared) /
                                       "data" / "rwku" / "golden" / "1_Stephen_King" /
                                       "forget_mia.json";
  if (!std::filesystem::exists(golden)) {
    GTEST_SKIP() << "no reference results at " << golden << " (RWKU_SHARED)";
  }
  const absl::StatusOr<std::string> contents = ReadFile(golden);
  ASSERT_TRUE(contents.ok()) << contents.status();
  const nlohmann::json results = nlohmann::json::parse(*contents);
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("reference", "runs/1", 1, 1);
  for (const nlohmann::json& loss : results.at("results").at("loss")) {
    builder.AddScore(row, "Stephen King", ProbeSet::kForgetMia, "loss", loss.get<double>());
  }
  const ReportTable table = builder.Build();
  EXPECT_THAT(Cell(table, row, "mia_forget").value,
              Optional(DoubleNear(-100.0 * results.at("loss").get<double>(), 1e-9)));
}

}  // namespace
}  // namespace rwku::report
