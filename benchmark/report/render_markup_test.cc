#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/report/render.h"

namespace rwku::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ReportTable SmallTable() {
  ReportTable table;
  table.title = "tiny_model & co";
  table.key = "main";
  table.caption = "All figures x100.";
  table.source = "Jin et al.";
  table.columns = {{"forget_fb", "FB", "Forget", false},
                   {"forget_all", "All", "Forget", false},
                   {"zlib", "Zlib", "", true, 3}};
  table.rows = {{"original", "runs/1", {{85.94, 12, 2}, {79.6, 30, 2}, {-1.0071, 9, 2}}, 2, 2},
                {"npo_50%", "runs/1", {{3.25, 6, 1}, {0.0, 15, 1}, {std::nullopt, 0, 0}}, 1, 2}};
  table.rows[0].cells[0].low = 80.0;
  table.rows[0].cells[0].high = 91.25;
  table.rows[0].cells[2].low = -1.5;
  table.rows[0].cells[2].high = 0.25;
  table.rows[0].cells[0].published = 85.9;
  table.rows[0].cells[1].published = 80.0;
  table.rows[0].published = "Before";
  return table;
}

TEST(RenderMarkdownTest, IsATableWithIntervalsAndPublishedRows) {
  EXPECT_EQ(RenderMarkdown(SmallTable()),
            "### tiny\\_model \\& co\n"
            "\n"
            "| Method | Forget FB ↓ | Forget All ↓ | Zlib ↑ |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| original | 85.9 \\[80.0, 91.2\\] | 79.6 | -1.007 \\[-1.500, 0.250\\] |\n"
            "| published: Before | 85.9 | 80.0 | - |\n"
            "| difference | 0.0 | -0.4 | - |\n"
            "| npo\\_50% | 3.2 | 0.0 | - |\n"
            "| probes | 6-12 | 15-30 | 0-9 |\n"
            "| targets | 1-2 | 1-2 | 0-2 |\n"
            "\n"
            "All figures x100. In brackets: 95 % bootstrap interval over targets.\n"
            "\n"
            "npo\\_50%: 1 of 2 jobs succeeded; the others are missing from its figures\n"
            "\n"
            "Published: Jin et al.\n");
}

TEST(RenderMarkdownTest, ALabelCannotBreakTheTable) {
  ReportTable table = SmallTable();
  table.rows[1].label = "a|b\n<script>`";
  EXPECT_THAT(RenderMarkdown(table), HasSubstr("\n| a\\|b \\<script\\>\\` | 3.2 |"));
}

TEST(RenderLatexTest, IsABooktabsTableWithEscapedText) {
  const std::string latex = RenderLatex(SmallTable());
  EXPECT_THAT(latex, StartsWith("\\begin{table*}[tp]\n\\centering\n\\caption{\\textbf{tiny\\_model "
                                "\\& co.} All figures x100."));
  EXPECT_THAT(latex, HasSubstr("\\label{tab:rwku-main}"));
  EXPECT_THAT(latex, HasSubstr("\\begin{tabular}{l rr r}\n\\toprule\n"
                               "{} & \\multicolumn{2}{c}{Forget} & \\multicolumn{1}{c}{} \\\\\n"
                               "\\cmidrule(lr){2-3}\n"
                               "{Method} & FB $\\downarrow$ & All $\\downarrow$ & Zlib $\\uparrow$ "
                               "\\\\\n\\midrule\n"));
  EXPECT_THAT(latex, HasSubstr("{original} & 85.9 & 79.6 & $-$1.007 \\\\\n"
                               "{} & {\\scriptsize [80.0, 91.2]} &  & {\\scriptsize [$-$1.500, "
                               "0.250]} \\\\\n"
                               "{\\quad published Before} & 85.9 & 80.0 & -- \\\\\n"
                               "{\\quad difference} & 0.0 & $-$0.4 & -- \\\\\n"
                               "{npo\\_50\\%} & 3.2 & 0.0 & -- \\\\\n"
                               "\\midrule\n{probes} & 6--12 & 15--30 & 0--9 \\\\\n"));
  EXPECT_THAT(latex, HasSubstr("\\bottomrule\n\\end{tabular}}\n\\end{table*}\n"));
}

TEST(RenderLatexTest, EscapesEverySpecialCharacter) {
  ReportTable table = SmallTable();
  table.rows[1].label = "\\ { } $ & # _ % ~ ^ < >\x01";
  EXPECT_THAT(RenderLatex(table),
              HasSubstr("{\\textbackslash{} \\{ \\} \\$ \\& \\# \\_ \\% \\textasciitilde{} "
                        "\\textasciicircum{} \\textless{} \\textgreater{} } & 3.2"));
}

Report SmallReport() {
  Report report{"demo\n100%", {"Scores of two metric versions."}, {SmallTable()}, {}};
  ReportTable empty = SmallTable();
  empty.key = "utility";
  empty.title = "Utility in detail";
  for (ReportRow& row : empty.rows) {
    row.cells.assign(3, {});
  }
  report.tables.push_back(empty);
  ReportTable targets = SmallTable();
  targets.key = "targets";
  targets.title = "ga";
  targets.source.clear();
  targets.rows[0].label = "Beyonc\xC3\xA9";
  report.targets.push_back(targets);
  return report;
}

TEST(RenderReportTest, LeavesTablesWithoutAFigureOut) {
  for (const std::string& text : {RenderText(SmallReport(), false), RenderMarkdown(SmallReport()),
                                  RenderLatex(SmallReport())}) {
    EXPECT_THAT(text, HasSubstr("two metric versions"));
    EXPECT_THAT(text, HasSubstr("Beyonc\xC3\xA9"));
    EXPECT_THAT(text, HasSubstr("Per target: ga"));
    EXPECT_THAT(text, Not(HasSubstr("Utility in detail")));
  }
}

TEST(RenderReportTest, ALatexCommentStaysOnItsLine) {
  EXPECT_THAT(RenderLatex(SmallReport()), StartsWith("% demo 100%\n% Needs"));
}

}  // namespace
}  // namespace rwku::report
