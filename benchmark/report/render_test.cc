#include "benchmark/report/render.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace rwku::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ReportTable SmallTable() {
  ReportTable table;
  table.title = "tiny on demo";
  table.columns = {{"forget_fb", "FB", "Forget", false},
                   {"forget_all", "All", "Forget", false},
                   {"mia_forget", "FM", "MIA", true}};
  table.rows = {{"original", "runs/1", {{85.94, 12, 2}, {79.6, 30, 2}, {226.7, 9, 2}}, 2, 2},
                {"npo", "runs/1", {{3.25, 6, 1}, {0.0, 15, 1}, {std::nullopt, 0, 0}}, 1, 2}};
  return table;
}

TEST(RenderTextTest, AlignsColumnsUnderTheirGroups) {
  EXPECT_EQ(RenderText(SmallTable()),
            "tiny on demo\n"
            "\n"
            "          Forget       MIA\n"
            "            FB    All     FM\n"
            "----------------------------\n"
            "original  85.9   79.6  226.7\n"
            "npo        3.2    0.0      -\n"
            "----------------------------\n"
            "probes    6-12  15-30    0-9\n"
            "targets    1-2    1-2    0-2\n"
            "npo: 1 of 2 jobs succeeded; the others are missing from its figures\n");
}

TEST(RenderTextTest, NamesTheRunWhereRowsComeFromSeveral) {
  ReportTable table = SmallTable();
  table.rows[1].run = "runs/2";
  EXPECT_THAT(RenderText(table), HasSubstr("npo (runs/2)"));
  EXPECT_THAT(RenderText(SmallTable()), Not(HasSubstr("runs/1")));
}

TEST(RenderTextTest, AlignsByWidthOnTheTerminalNotByBytes) {
  ReportTable table = SmallTable();
  table.rows[0].label = "Beyonc\xC3\xA9";
  table.rows[1].label = "\xE6\x9D\xB1\xE4\xBA\xAC";
  const std::string text = RenderText(table);
  EXPECT_THAT(text, HasSubstr("\nBeyonc\xC3\xA9  85.9"));
  EXPECT_THAT(text, HasSubstr("\n\xE6\x9D\xB1\xE4\xBA\xAC      3.2"));
}

TEST(RenderTextTest, ATableWithoutRowsHasItsHeadAndNoFigures) {
  ReportTable table = SmallTable();
  table.rows.clear();
  EXPECT_THAT(RenderText(table), HasSubstr("Forget"));
  EXPECT_THAT(RenderText(table), HasSubstr("probes    0    0    0"));
}

TEST(RenderTextTest, PutsPublishedFiguresAndDifferencesBelowARow) {
  ReportTable table = SmallTable();
  table.rows[0].cells[0].published = 90.0;
  table.rows[0].cells[2].published = 200.0;
  table.source = "Jin et al.";
  const std::string text = RenderText(table);
  EXPECT_THAT(text, HasSubstr("original      85.9   79.6  226.7\n"
                              "  published   90.0      -  200.0\n"
                              "  difference  -4.1      -  +26.7\n"
                              "npo            3.2    0.0      -\n"));
  EXPECT_THAT(text, HasSubstr("\npublished: Jin et al.\n"));
}

TEST(RenderTextTest, PutsIntervalsBelowARowWhereAsked) {
  Report report{"demo", {}, {SmallTable()}, {}};
  report.tables[0].rows[0].cells[0].low = 80.0;
  report.tables[0].rows[0].cells[0].high = 91.0;
  EXPECT_THAT(RenderText(report, /*intervals=*/true),
              HasSubstr("original     85.9   79.6  226.7\n"
                        "  95 % from  80.0      -      -\n"
                        "  to         91.0      -      -\n"
                        "npo           3.2    0.0      -\n"));
  EXPECT_THAT(RenderText(report, /*intervals=*/false), Not(HasSubstr("95 %")));
}

TEST(RenderTextTest, WritesNoNegativeZero) {
  ReportTable table = SmallTable();
  table.rows[0].cells[0].value = -0.01;
  EXPECT_THAT(RenderText(table), HasSubstr("original   0.0"));
}

TEST(RenderCsvTest, WritesCountsAndIntervalsBesideFiguresAndLeavesMissingOnesEmpty) {
  ReportTable table = SmallTable();
  table.columns.erase(table.columns.begin());
  for (ReportRow& row : table.rows) {
    row.cells.erase(row.cells.begin());
  }
  table.rows[0].cells[0] = {79.25, 30, 2, 70.5, 88.0, 79.5};
  table.rows[0].cells[1].value = 226.5;
  EXPECT_EQ(RenderCsv(table),
            "label,run,jobs_succeeded,jobs,forget_all,forget_all_n,forget_all_targets,"
            "forget_all_low,forget_all_high,forget_all_published,mia_forget,mia_forget_n,"
            "mia_forget_targets,mia_forget_low,mia_forget_high,mia_forget_published\r\n"
            "original,runs/1,2,2,79.25,30,2,70.5,88,79.5,226.5,9,2,,,\r\n"
            "npo,runs/1,1,2,0,15,1,,,,,0,0,,,\r\n");
}

TEST(RenderCsvTest, WritesALineAFigureForAReport) {
  Report report{"demo", {}, {SmallTable()}, {SmallTable()}};
  report.tables[0].key = "main";
  report.targets[0].key = "targets";
  report.targets[0].title = "ga";
  report.targets[0].rows[0].label = "Prince Harry, Duke of Sussex";
  const std::string csv = RenderCsv(report);
  EXPECT_THAT(csv, StartsWith("table,label,run,target,column,value,low,high,n,targets,published\r\n"
                              "main,original,runs/1,,forget_fb,"));
  EXPECT_THAT(csv, HasSubstr("\r\ntargets,ga,runs/1,\"Prince Harry, Duke of Sussex\",forget_all,"
                             "79.599999999999994,,,30,2,\r\n"));
}

TEST(RenderCsvTest, QuotesFieldsThatNeedIt) {
  ReportTable table = SmallTable();
  table.rows[0].label = "ga \"full\", 3 epochs";
  EXPECT_THAT(RenderCsv(table), HasSubstr("\r\n\"ga \"\"full\"\", 3 epochs\",runs/1,"));
}

TEST(RenderJsonTest, KeepsValuesCountsAndMissingCells) {
  const std::string text = RenderJson(SmallTable());
  EXPECT_THAT(text, StartsWith("{\n  \"title\": \"tiny on demo\",\n  \"columns\": ["));
  const nlohmann::json document = nlohmann::json::parse(text);
  EXPECT_EQ(document["columns"][2]["key"], "mia_forget");
  EXPECT_EQ(document["columns"][2]["higher_is_better"], true);
  const nlohmann::json& npo = document["rows"][1];
  EXPECT_EQ(npo["label"], "npo");
  EXPECT_EQ(npo["jobs_succeeded"], 1);
  EXPECT_EQ(npo["cells"]["forget_fb"]["value"], 3.25);
  EXPECT_EQ(npo["cells"]["forget_fb"]["count"], 6);
  EXPECT_TRUE(npo["cells"]["mia_forget"]["value"].is_null());
  EXPECT_EQ(npo["cells"]["mia_forget"]["targets"], 0);
}

TEST(RenderJsonTest, HoldsIntervalsAndPublishedFigures) {
  Report report{"demo", {"a note"}, {SmallTable()}, {}};
  report.tables[0].key = "main";
  report.tables[0].source = "Jin et al.";
  report.tables[0].rows[0].cells[0] = {85.0, 12, 2, 80.0, 90.0, 85.9};
  report.tables[0].rows[0].published = "Before";
  const nlohmann::json document = nlohmann::json::parse(RenderJson(report));
  EXPECT_EQ(document["notes"][0], "a note");
  EXPECT_EQ(document["tables"][0]["source"], "Jin et al.");
  const nlohmann::json& row = document["tables"][0]["rows"][0];
  EXPECT_EQ(row["published"], "Before");
  EXPECT_EQ(row["cells"]["forget_fb"]["low"], 80.0);
  EXPECT_EQ(row["cells"]["forget_fb"]["published"], 85.9);
  EXPECT_TRUE(row["cells"]["forget_all"]["high"].is_null());
  EXPECT_TRUE(document["targets"].empty());
}

TEST(RenderJsonTest, SurvivesALabelThatIsNoUtf8) {
  ReportTable table = SmallTable();
  table.rows[0].label = "\xFF";
  EXPECT_TRUE(nlohmann::json::accept(RenderJson(table)));
}

TEST(DisplayWidthTest, CountsWhatATerminalDraws) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("Beyonc\xC3\xA9"), 7);
  EXPECT_EQ(DisplayWidth("Beyonce\xCC\x81"), 7);           // a combining accent
  EXPECT_EQ(DisplayWidth("\xE6\x9D\xB1\xE4\xBA\xAC"), 4);  // two wide characters
  EXPECT_EQ(DisplayWidth("\xF0\x9F\x98\x80"), 2);
  EXPECT_EQ(DisplayWidth("\xFF"), 1);
}

}  // namespace
}  // namespace rwku::report
