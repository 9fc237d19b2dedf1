#include "benchmark/report/render_html.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/random.h"
#include "benchmark/report/columns.h"
#include "benchmark/report/figures.h"
#include "benchmark/report/label_placer.h"
#include "benchmark/report/published.h"
#include "benchmark/report/report_builder.h"
#include "benchmark/report/svg.h"

namespace rwku::report {
namespace {

using ::rwku::dataset::ProbeSet;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

struct Recipe {
  const char* label;
  const char* method;
  const char* tuning;
  double forget;
  double neighbor;
};

// Two to four recipes on `targets` targets, with every main column but utility filled in.
Report SomeReport(const std::vector<Recipe>& recipes, int targets, bool utility = true) {
  ReportBuilder builder("tiny & <demo>", {.resamples = 200, .seed = 42});
  Random random(1);
  for (const Recipe& recipe : recipes) {
    const size_t row = builder.AddRow(recipe.label, "runs/1", targets, targets,
                                      {"llama3", recipe.method, recipe.tuning});
    for (int i = 0; i < targets; ++i) {
      const std::string target = absl::StrCat("O'Neil \"", i, "\" <b>");
      const auto add = [&](ProbeSet set, absl::string_view score, double value,
                           absl::string_view type = "") {
        builder.AddScore(row, target, set, type, score, value + 0.05 * random.Uniform());
      };
      add(ProbeSet::kForgetLevel1, kRecallScore, recipe.forget);
      add(ProbeSet::kForgetLevel3, kRecallScore, recipe.forget, "role play");
      add(ProbeSet::kForgetLevel3, kRecallScore, recipe.forget, "<riddle>");
      add(ProbeSet::kNeighborLevel1, kRecallScore, recipe.neighbor);
      add(ProbeSet::kForgetMia, "loss", -2);
      add(ProbeSet::kRetainMia, "loss", -1);
      if (utility) {
        add(ProbeSet::kMmlu, "accuracy", recipe.neighbor / 2);
      }
    }
  }
  return builder.BuildReport();
}

std::vector<Recipe> TwoRecipes() {
  return {{"original", "original", "none", 0.9, 0.9}, {"ga & co", "ga", "full", 0.3, 0.8}};
}

TEST(RenderHtmlTest, IsOneCompletePage) {
  const std::string page = RenderHtml(SomeReport(TwoRecipes(), 3));
  EXPECT_EQ(page.rfind("<!doctype html>\n<html lang=\"en\">", 0), 0);
  for (const char* const part :
       {"<meta charset=\"utf-8\">", "name=\"viewport\" content=\"width=device-width",
        "<title>tiny &amp; &lt;demo&gt;</title>", "prefers-color-scheme: dark", "@media print",
        "<main>", "</html>\n"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  for (const char* const element : {"section", "table", "figure", "svg", "div", "details", "tbody",
                                    "tr", "thead", "ul", "li", "text"}) {
    EXPECT_EQ(
        Count(page, absl::StrCat("<", element, ">")) + Count(page, absl::StrCat("<", element, " ")),
        Count(page, absl::StrCat("</", element, ">")))
        << element;
  }
}

TEST(RenderHtmlTest, LoadsNothingAndRunsNothing) {
  Report report = SomeReport(TwoRecipes(), 3);
  AttachPublished(BuiltinPublished(), "", report.tables[0]);
  const std::string page = RenderHtml(report);
  EXPECT_EQ(Count(page, "http://"), 0);
  EXPECT_EQ(Count(page, "https://"), 1);
  EXPECT_THAT(page, HasSubstr("<a href=\"https://arxiv.org/abs/2406.10890\">"));
  for (const char* const part :
       {"<script", "src=", "@import", "url(", "<img", "<iframe", " onload"}) {
    EXPECT_EQ(Count(page, part), 0) << part;
  }
}

TEST(RenderHtmlTest, EveryDrawingHasATitleAndADescription) {
  const std::string page = RenderHtml(SomeReport(TwoRecipes(), 3));
  const int drawings = Count(page, "<svg ");
  EXPECT_EQ(drawings, 6);  // three trade-offs, the distribution, a panel a row
  EXPECT_EQ(Count(page, "-t\">"), drawings);
  EXPECT_EQ(Count(page, "<desc id="), drawings);
  EXPECT_EQ(Count(page, "role=\"img\""), drawings);
  EXPECT_THAT(page, HasSubstr("<title id=\"trade-off-neighbor-t\">Forgetting against locality"));
}

TEST(RenderHtmlTest, IdsAreUniqueAndLinksHaveATarget) {
  const std::string page = RenderHtml(SomeReport(TwoRecipes(), 3));
  for (size_t at = page.find(" id=\""); at != std::string::npos; at = page.find(" id=\"", at + 1)) {
    const std::string id = page.substr(at, page.find('"', at + 5) - at + 1);
    EXPECT_EQ(Count(page, id), 1) << id;
  }
  for (size_t at = page.find("href=\"#"); at != std::string::npos;
       at = page.find("href=\"#", at + 1)) {
    const std::string id = page.substr(at + 7, page.find('"', at + 7) - at - 7);
    EXPECT_EQ(Count(page, absl::StrCat(" id=\"", id, "\"")), 1) << id;
  }
}

TEST(RenderHtmlTest, EscapesAllTextOfTheReport) {
  Report report = SomeReport(TwoRecipes(), 3);
  report.notes = {"<script>alert('x')</script>"};
  const std::string page = RenderHtml(report);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("ga &amp; co"));
  EXPECT_THAT(page, HasSubstr("O&#39;Neil &quot;0&quot; &lt;b&gt;"));
  EXPECT_THAT(page, HasSubstr("&lt;riddle&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<riddle")));
  EXPECT_THAT(page, Not(HasSubstr("\" <b>")));
}

TEST(RenderHtmlTest, TablesHaveCaptionsAndScopes) {
  const std::string page = RenderHtml(SomeReport(TwoRecipes(), 3));
  EXPECT_EQ(Count(page, "<caption>"), Count(page, "<table "));
  EXPECT_EQ(Count(page, "<div class=\"scroll\""), Count(page, "<table "));
  EXPECT_THAT(page, HasSubstr("<th class=\"g group\" scope=\"colgroup\" colspan=\"4\">"));
  EXPECT_THAT(page, HasSubstr("<th class=\"head\" scope=\"row\">original</th>"));
  EXPECT_EQ(Count(page, "<th>"), 0);
}

TEST(RenderHtmlTest, AMissingFigureIsADashAndTablesWithoutFiguresAreLeftOut) {
  const std::string page = RenderHtml(SomeReport(TwoRecipes(), 3, /*utility=*/false));
  EXPECT_THAT(page, HasSubstr("<span class=\"missing\" title=\"missing\">–</span>"));
  EXPECT_THAT(page, Not(HasSubstr("Utility in detail")));
  EXPECT_THAT(page, Not(HasSubstr("trade-off-utility")));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(RenderHtmlTest, AReportWithoutFiguresIsStillAPage) {
  ReportBuilder builder("empty");
  builder.AddRow("ga", "runs/1", 0, 4);
  const std::string page = RenderHtml(builder.BuildReport());
  EXPECT_THAT(page, HasSubstr("<h1>empty</h1>"));
  EXPECT_THAT(page, Not(HasSubstr("<svg")));
  EXPECT_THAT(page, HasSubstr("ga: 0 of 4 jobs succeeded"));
  EXPECT_THAT(page, Not(HasSubstr("#targets")));
}

TEST(RenderHtmlTest, PutsPublishedFigureAndDifferenceBelowOurs) {
  Report report = SomeReport(TwoRecipes(), 3);
  AttachPublished(BuiltinPublished(), "", report.tables[0]);
  report.tables[0].rows[0].cells[3].value = 80.0;
  const std::string page = RenderHtml(report);
  EXPECT_THAT(page, HasSubstr("published: Before</th><td class=\"g\">85.9</td>"));
  EXPECT_THAT(page, HasSubstr("<td>79.6</td>"));
  EXPECT_THAT(page, HasSubstr("<td>+0.4</td>"));
  EXPECT_THAT(page, HasSubstr("Hollow, joined by a line: published."));
  EXPECT_THAT(page, HasSubstr("Published: Jin et al., RWKU"));
}

TEST(RenderHtmlTest, ARowWithFewerProbesSaysSo) {
  Report report = SomeReport(TwoRecipes(), 3);
  EXPECT_THAT(RenderHtml(report), Not(HasSubstr("probes / targets")));
  report.tables[0].rows[1].cells[0].count = 1;
  report.tables[0].rows[1].jobs_succeeded = 2;
  const std::string page = RenderHtml(report);
  EXPECT_EQ(Count(page, "probes / targets"), 1);
  EXPECT_THAT(page, HasSubstr("ga &amp; co <small>2 of 3 jobs</small>"));
}

TEST(RenderHtmlTest, ManyTargetsAreFolded) {
  EXPECT_EQ(Count(RenderHtml(SomeReport(TwoRecipes(), 3)), "<details open>"), 2);
  EXPECT_EQ(Count(RenderHtml(SomeReport(TwoRecipes(), 60)), "<details open>"), 0);
}

TEST(RenderHtmlTest, IsTheSameEachTime) {
  EXPECT_EQ(RenderHtml(SomeReport(TwoRecipes(), 5)), RenderHtml(SomeReport(TwoRecipes(), 5)));
}

TEST(SeriesTest, RowsDifferInColourAndShape) {
  for (int a = 0; a < 15; ++a) {
    for (int b = 0; b < a; ++b) {
      const SeriesStyle first = StyleOfSeries(a);
      const SeriesStyle second = StyleOfSeries(b);
      EXPECT_TRUE(first.shape != second.shape || first.hollow != second.hollow) << a << " " << b;
    }
  }
}

TEST(SeriesTest, TheRowBeforeUnlearningIsNumberZero) {
  const Report report = SomeReport({{"ga", "ga", "full", 0.3, 0.8},
                                    {"before", "original", "", 0.9, 0.9},
                                    {"npo", "npo", "full", 0.3, 0.8}},
                                   2);
  EXPECT_THAT(SeriesNumbers(report.tables[0]), ElementsAre(1, 0, 2));
  EXPECT_EQ(OriginalOf(report.tables[0], report.tables[0].rows[2]), &report.tables[0].rows[1]);
}

TEST(UtilityChangeTest, IsTheMeanRelativeChangeOfWhatBothHave) {
  ReportTable table{"t", SummaryColumns(), {}};
  table.rows.resize(2);
  for (ReportRow& row : table.rows) {
    row.cells.resize(table.columns.size());
  }
  const size_t gen = *FindColumn(table, "gen");
  const size_t flu = *FindColumn(table, "flu");
  const size_t rea = *FindColumn(table, "rea");
  EXPECT_EQ(UtilityChange(table, table.rows[1], table.rows[0]), std::nullopt);
  table.rows[0].cells[gen].value = 60;
  table.rows[1].cells[gen].value = 30;
  table.rows[0].cells[flu].value = 700;
  table.rows[1].cells[flu].value = 770;
  table.rows[0].cells[rea].value = 40;  // the other row lacks it
  EXPECT_THAT(UtilityChange(table, table.rows[1], table.rows[0]),
              Optional(DoubleNear((-50.0 + 10.0) / 2, 1e-9)));
}

TEST(LabelPlacerTest, LabelsOfNearPointsDoNotCoverEachOther) {
  LabelPlacer placer({0, 0, 400, 300});
  std::vector<Box> boxes;
  for (int i = 0; i < 4; ++i) {
    boxes.push_back(placer.Place(200 + 2 * i, 150, 8, 60, 13));
  }
  for (size_t a = 0; a < boxes.size(); ++a) {
    EXPECT_GE(boxes[a].left, 0);
    EXPECT_LE(boxes[a].right, 400);
    for (size_t b = 0; b < a; ++b) {
      EXPECT_TRUE(boxes[a].right <= boxes[b].left || boxes[b].right <= boxes[a].left ||
                  boxes[a].bottom <= boxes[b].top || boxes[b].bottom <= boxes[a].top)
          << a << " " << b;
    }
  }
}

TEST(SvgTest, CoordinatesAreShort) {
  EXPECT_EQ(Coordinate(12.0), "12");
  EXPECT_EQ(Coordinate(12.34), "12.3");
  EXPECT_EQ(Coordinate(-0.01), "0");
}

}  // namespace
}  // namespace rwku::report
