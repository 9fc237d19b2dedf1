#include "benchmark/report/report_builder.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"
#include "benchmark/report/render.h"

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
                                "neighbor_qa", "neighbor_all", "mia_forget", "mia_retain", "gen",
                                "rea", "tru", "fac", "flu"));
}

TEST(SummaryColumnsTest, SayWhichWayIsBetter) {
  for (const ReportColumn& column : SummaryColumns()) {
    EXPECT_EQ(column.higher_is_better,
              column.group == "Neighbor" || column.group == "Utility" || column.key == "mia_forget")
        << column.key;
  }
}

TEST(ReportBuilderTest, AveragesOverProbesOfATargetAndThenOverTargets) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 2, 2);
  for (const double recall : {0.0, 0.0, 0.3}) {
    builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "", kRecall, recall);
  }
  builder.AddScore(row, "B", ProbeSet::kForgetLevel1, "", kRecall, 0.5);
  const ReportTable table = builder.Build();
  const ReportCell& cell = Cell(table, row, "forget_fb");
  EXPECT_THAT(cell.value, Optional(DoubleNear(30.0, 1e-12)));  // not 20, the mean of all four
  EXPECT_EQ(cell.count, 4);
  EXPECT_EQ(cell.targets, 2);
}

TEST(ReportBuilderTest, AllIsTheMeanOverAllProbesOfTheLevels) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "", kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel2, "", kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "", kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "", kRecall, 0.0);
  builder.AddScore(row, "A", ProbeSet::kNeighborLevel1, "", kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kNeighborLevel2, "", kRecall, 0.5);
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
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "", "loss", -1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "", "loss", std::nullopt);
  builder.AddScore(row, "A", ProbeSet::kForgetMia, "", "loss",
                   std::numeric_limits<double>::quiet_NaN());
  builder.AddScore(row, "B", ProbeSet::kForgetMia, "", "loss", std::nullopt);
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
  builder.AddScore(row, "A", ProbeSet::kMmlu, "", "token_f1", 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "", "token_f1", 1.0);
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
    forward.AddScore(row, "A", ProbeSet::kForgetLevel1, "", kRecall, recalls[i]);
    backward.AddScore(row, "A", ProbeSet::kForgetLevel1, "", kRecall,
                      recalls[recalls.size() - 1 - i]);
  }
  for (const char* const target : {"B", "C"}) {
    forward.AddScore(row, target, ProbeSet::kForgetMia, "", "loss", -1.0 / 3);
  }
  for (const char* const target : {"C", "B"}) {
    backward.AddScore(row, target, ProbeSet::kForgetMia, "", "loss", -1.0 / 3);
  }
  EXPECT_EQ(RenderJson(forward.BuildReport()), RenderJson(backward.BuildReport()));
}

TEST(ReportBuilderTest, UtilityColumnsTakeThePapersScores) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  builder.AddScore(row, "A", ProbeSet::kMmlu, "anatomy", "accuracy", 1.0);
  builder.AddScore(row, "A", ProbeSet::kMmlu, "anatomy", "accuracy", 0.0);
  builder.AddScore(row, "A", ProbeSet::kBbh, "", "rea_reference", 0.25);
  builder.AddScore(row, "A", ProbeSet::kBbh, "", "rea_em", 0.125);
  builder.AddScore(row, "A", ProbeSet::kTruthfulQa, "", "mc1", 1.0);
  builder.AddScore(row, "A", ProbeSet::kTruthfulQa, "", "mc2", 0.5);
  builder.AddScore(row, "A", ProbeSet::kTriviaQa, "", "exact_match", 0.0);
  builder.AddScore(row, "A", ProbeSet::kTriviaQa, "", "f1", 0.75);
  builder.AddScore(row, "A", ProbeSet::kFluency, "", "ngram_entropy", 7.0);
  const Report report = builder.BuildReport();
  const ReportTable& main = *FindTable(report, "main");
  EXPECT_EQ(Cell(main, row, "gen").value, 50.0);
  EXPECT_EQ(Cell(main, row, "rea").value, 25.0);
  EXPECT_EQ(Cell(main, row, "tru").value, 100.0);
  EXPECT_EQ(Cell(main, row, "fac").value, 75.0);
  EXPECT_EQ(Cell(main, row, "flu").value, 700.0);
  const ReportTable& utility = *FindTable(report, "utility");
  EXPECT_EQ(Cell(utility, row, "rea_em").value, 12.5);
  EXPECT_EQ(Cell(utility, row, "tru_mc2").value, 50.0);
  EXPECT_EQ(Cell(utility, row, "fac_em").value, 0.0);
  EXPECT_EQ(Cell(utility, row, "gen_accuracy").count, 2);
}

TEST(ReportBuilderTest, BreaksAdversarialProbesDownByAttackInAnySpelling) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "role play", kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "role playing", kRecall, 0.5);
  builder.AddScore(row, "B", ProbeSet::kForgetLevel3, "cross lingal", kRecall, 0.25);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "riddle", kRecall, 0.125);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel2, "simple question", kRecall, 1.0);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel3, "role play", "degenerate", 1.0);
  const Report report = builder.BuildReport();
  const ReportTable& table = *FindTable(report, "attack_types");
  ASSERT_EQ(table.columns.size(), 10);
  EXPECT_EQ(table.columns.front().title, "Prefix injection");
  EXPECT_EQ(table.columns.back().key, "attack_riddle");
  EXPECT_EQ(Cell(table, row, "attack_role_playing").value, 75.0);
  EXPECT_EQ(Cell(table, row, "attack_cross_lingual").value, 25.0);
  EXPECT_EQ(Cell(table, row, "attack_riddle").value, 12.5);
  EXPECT_EQ(Cell(table, row, "attack_reverse_query").value, std::nullopt);
}

TEST(ReportBuilderTest, MembershipTablesHaveEveryScoreAndItsAuc) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("original", "runs/1", 2, 2);
  for (const auto& [target, forget, retain] :
       {std::tuple("A", -1.0, -2.0), std::tuple("A", -1.0, -1.0), std::tuple("B", -3.0, -2.0)}) {
    builder.AddScore(row, target, ProbeSet::kForgetMia, "", "min_k_20", forget);
    builder.AddScore(row, target, ProbeSet::kRetainMia, "", "min_k_20", retain);
  }
  builder.AddScore(row, "C", ProbeSet::kForgetMia, "", "min_k_20", -1.0);  // nothing to set against
  const Report report = builder.BuildReport();
  for (const char* const key : {"mia_forget", "mia_retain", "mia_auc"}) {
    EXPECT_EQ(FindTable(report, key)->columns.size(), 22) << key;
  }
  EXPECT_EQ(Cell(*FindTable(report, "mia_retain"), row, "mia_retain_min_k_20").value, -175.0);
  const ReportCell& auc = Cell(*FindTable(report, "mia_auc"), row, "mia_auc_min_k_20");
  EXPECT_EQ(auc.value, (75.0 + 0.0) / 2);  // A: 1 and 1/2 of 2 pairs each; B: 0
  EXPECT_EQ(auc.count, 6);
  EXPECT_EQ(auc.targets, 2);
}

TEST(ReportBuilderTest, DegeneracyStandsBesideEveryGeneration) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("ga", "runs/1", 1, 1);
  for (const ProbeSet set : {ProbeSet::kForgetLevel1, ProbeSet::kNeighborLevel2, ProbeSet::kBbh,
                             ProbeSet::kTriviaQa, ProbeSet::kFluency}) {
    builder.AddScore(row, "A", set, "", "degenerate", 1.0);
    builder.AddScore(row, "A", set, "", "degenerate", 0.0);
  }
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "", "extraction_strength", 0.5);
  const Report report = builder.BuildReport();
  const ReportTable& table = *FindTable(report, "degeneracy");
  for (const char* const key : {"degenerate_forget_fb", "degenerate_neighbor_qa", "degenerate_rea",
                                "degenerate_fac", "degenerate_flu"}) {
    EXPECT_EQ(Cell(table, row, key).value, 50.0) << key;
  }
  EXPECT_EQ(Cell(*FindTable(report, "memorization"), row, "extraction_strength_forget_fb").value,
            50.0);
}

TEST(ReportBuilderTest, PerTargetTablesHaveTheTargetsWithFiguresByName) {
  ReportBuilder builder("t");
  const size_t first = builder.AddRow("original", "runs/1", 2, 2);
  const size_t second = builder.AddRow("ga", "runs/1", 1, 2);
  builder.AddScore(first, "B", ProbeSet::kForgetLevel1, "", kRecall, 0.5);
  builder.AddScore(first, "A", ProbeSet::kForgetLevel1, "", kRecall, 1.0);
  builder.AddScore(second, "B", ProbeSet::kForgetLevel1, "", kRecall, 0.25);
  const Report report = builder.BuildReport();
  ASSERT_EQ(report.targets.size(), 2);
  ASSERT_EQ(report.targets[0].rows.size(), 2);
  EXPECT_EQ(report.targets[0].title, "original");
  EXPECT_EQ(report.targets[0].rows[0].label, "A");
  EXPECT_EQ(report.targets[0].rows[1].cells.at(0).value, 50.0);
  ASSERT_EQ(report.targets[1].rows.size(), 1);
  EXPECT_EQ(report.targets[1].rows[0].label, "B");
}

TEST(ReportBuilderTest, IntervalsComeFromTheTargets) {
  ReportBuilder builder("t");
  const size_t row = builder.AddRow("original", "runs/1", 2, 2);
  builder.AddScore(row, "A", ProbeSet::kForgetLevel1, "", kRecall, 0.25);
  builder.AddScore(row, "B", ProbeSet::kForgetLevel1, "", kRecall, 0.75);
  builder.AddScore(row, "B", ProbeSet::kForgetLevel2, "", kRecall, 0.75);
  const ReportTable table = builder.Build();
  EXPECT_EQ(Cell(table, row, "forget_fb").low, 25.0);
  EXPECT_EQ(Cell(table, row, "forget_fb").high, 75.0);
  EXPECT_EQ(Cell(table, row, "forget_qa").low, std::nullopt);  // one target says nothing of spread
  const Report report = builder.BuildReport();
  EXPECT_EQ(FindTable(report, "main")->rows[row].cells[0].low, 25.0);
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
    builder.AddScore(row, "Stephen King", ProbeSet::kForgetMia, "", "loss", loss.get<double>());
  }
  const ReportTable table = builder.Build();
  EXPECT_THAT(Cell(table, row, "mia_forget").value,
              Optional(DoubleNear(-100.0 * results.at("loss").get<double>(), 1e-9)));
}

}  // namespace
}  // namespace rwku::report
