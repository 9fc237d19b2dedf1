#include "benchmark/report/published.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/report/columns.h"

namespace rwku::report {
namespace {

using ::testing::HasSubstr;

const PublishedRow* Find(const Published& published, absl::string_view model,
                         absl::string_view method, absl::string_view tuning) {
  const PublishedTable* const table = FindPublishedTable(published, model);
  return table == nullptr ? nullptr : FindPublishedRow(*table, method, tuning);
}

TEST(PublishedTest, HoldsThePapersTwoTables) {
  const Published published = BuiltinPublished();
  EXPECT_EQ(published.arxiv, "2406.10890");
  ASSERT_EQ(published.tables.size(), 2);
  EXPECT_EQ(published.tables[0].rows.size(), 13);
  EXPECT_EQ(published.tables[1].rows.size(), 10);
  std::set<std::string> keys;
  for (const ReportColumn& column : SummaryColumns()) {
    keys.insert(column.key);
  }
  EXPECT_EQ(std::set<std::string>(published.columns.begin(), published.columns.end()), keys);
}

TEST(PublishedTest, FindsARowByMethodAndTuning) {
  const Published published = BuiltinPublished();
  EXPECT_EQ(Find(published, "llama3", "original", "none")->name, "Before");
  EXPECT_EQ(Find(published, "llama3", "icu", "")->name, "ICU");
  EXPECT_EQ(Find(published, "llama3", "ga", "full")->name, "GA (Full)");
  EXPECT_EQ(Find(published, "llama3", "ga", "lora")->name, "GA (LoRA)");
  EXPECT_EQ(Find(published, "llama3", "ga-passage", "full")->name, "GA* (Full)");
  EXPECT_EQ(Find(published, "phi3", "npo", "full")->values.at(3), 23.8);
  EXPECT_EQ(Find(published, "phi3", "npo", "lora"), nullptr);
  EXPECT_EQ(Find(published, "llama3", "wga", "full"), nullptr);
  EXPECT_EQ(Find(published, "llama3", "ga", ""), nullptr);
}

TEST(PublishedTest, KnowsTheModelsByTheirUsualNamesOnly) {
  const Published published = BuiltinPublished();
  for (const absl::string_view name : {"Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-8B-Instruct",
                                       "llama3", "models/llama_3/"}) {
    ASSERT_NE(FindPublishedTable(published, name), nullptr) << name;
    EXPECT_EQ(FindPublishedTable(published, name)->model, "Llama-3-8B-Instruct");
  }
  EXPECT_EQ(FindPublishedTable(published, "microsoft/Phi-3-mini-4k-instruct")->table, "Table 2");
  for (const absl::string_view name :
       {"", "tiny", "llama", "Llama-3.1-8B-Instruct", "Llama-3.2-1B", "llama3-70b", "/"}) {
    EXPECT_EQ(FindPublishedTable(published, name), nullptr) << name;
  }
}

TEST(PublishedTest, AttachesFiguresToRowsWithACounterpart) {
  ReportTable table{"t", SummaryColumns(), {}, "main"};
  for (const char* const method : {"original", "mine"}) {
    ReportRow& row = table.rows.emplace_back();
    row.recipe = {"llama3", method, ""};
    row.cells.resize(table.columns.size());
  }
  EXPECT_EQ(AttachPublished(BuiltinPublished(), "", table), 1);
  EXPECT_EQ(table.rows[0].published, "Before");
  EXPECT_EQ(table.rows[0].cells.at(3).published, 79.6);
  EXPECT_EQ(table.rows[0].cells.at(13).published, 705.8);
  EXPECT_EQ(table.rows[1].cells.at(3).published, std::nullopt);
  EXPECT_THAT(table.source, HasSubstr("arXiv:2406.10890"));
  EXPECT_EQ(AttachPublished(BuiltinPublished(), "phi3", table), 1);
  EXPECT_EQ(table.rows[0].cells.at(3).published, 51.8);
}

TEST(PublishedTest, AttachesNothingForAnUnknownModel) {
  ReportTable table{"t", SummaryColumns(), {}, "main"};
  ReportRow& row = table.rows.emplace_back();
  row.recipe = {"tiny", "ga", "full"};
  row.cells.resize(table.columns.size());
  EXPECT_EQ(AttachPublished(BuiltinPublished(), "", table), 0);
  EXPECT_TRUE(table.source.empty());
}

TEST(PublishedTest, SaysWhatIsWrongInADocument) {
  EXPECT_THAT(ParsePublished("{}").status().message(), HasSubstr("source"));
  EXPECT_FALSE(ParsePublished("[").ok());
  const absl::Status status =
      ParsePublished(R"({"source": "s", "arxiv": "a", "columns": ["gen", "rea"], "tables": [
        {"model": "m", "table": "t", "names": [], "names_with": [], "rows": [
        {"name": "GA", "method": "ga", "tuning": "", "values": [1]}]}]})")
          .status();
  EXPECT_THAT(status.message(), HasSubstr("m, row \"GA\": found 1 values, allowed: one for each"));
}

}  // namespace
}  // namespace rwku::report
