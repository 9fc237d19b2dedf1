#include "tools/conformance/conformance.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku::conformance {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

fs::path Shared() {
  const char* const shared = std::getenv("RWKU_SHARED");
  return fs::path(shared == nullptr ? "" : shared) / "data";
}

class ConformanceTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  void Write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ / file) << text;
  }
  static Options Fallback() { return {metrics::WordTokenizer::WithoutPunkt(), std::nullopt}; }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("conformance_test." + std::to_string(getpid()));
};

TEST_F(ConformanceTest, EveryFigureOfTheGoldenFilesIsReproduced) {
  const fs::path golden = Shared() / "rwku" / "golden" / "1_Stephen_King";
  if (!fs::exists(golden)) {
    GTEST_SKIP() << "no reference results at " << golden << " (RWKU_SHARED)";
  }
  auto words =
      metrics::WordTokenizer::Load(Shared() / "nltk_data" / "tokenizers" / "punkt_tab" / "english");
  ASSERT_TRUE(words.ok()) << words.status();
  const auto findings =
      Check(golden, {*std::move(words), Shared() / "rwku" / "Target" / "1_Stephen_King"});
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(findings->unchecked, IsEmpty());
  EXPECT_GT(findings->figures.size(), 300u);
  for (const Figure& figure : findings->figures) {
    EXPECT_TRUE(Agrees(figure)) << figure.file << " " << figure.name << ": " << figure.reference
                                << ", ours " << figure.ours.value_or(-1);
  }
}

TEST_F(ConformanceTest, AFigureThatIsOffIsFound) {
  Write("triviaqa.json",
        R"({"EM": 0.5, "F1": 1.0, "results": [{"prediction": "a Dog.", "answers": ["dog"]}]})");
  const auto findings = Check(folder_, Fallback());
  ASSERT_TRUE(findings.ok()) << findings.status();
  ASSERT_EQ(findings->figures.size(), 2u);
  EXPECT_FALSE(Agrees(findings->figures[0]));
  EXPECT_TRUE(Agrees(findings->figures[1]));
}

TEST_F(ConformanceTest, WithoutTextsZlibIsNamedAsUnchecked) {
  Write("forget_mia.json",
        R"({"loss": -1.0, "zlib": -0.1, "mink20": -2.0,
            "results": {"loss": [-1.0], "zlib": [-0.1], "mink++_0.2": [-2.0]}})");
  const auto findings = Check(folder_, Fallback());
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(findings->unchecked, testing::Contains(HasSubstr("forget_mia.json: zlib")));
}

TEST_F(ConformanceTest, WhatIsNoResultFileIsNamed) {
  EXPECT_THAT(std::string(Check(folder_, Fallback()).status().message()),
              HasSubstr("holds no result file"));
  Write("bbh.json", R"({"results": [{}]})");
  EXPECT_THAT(std::string(Check(folder_, Fallback()).status().message()), HasSubstr("bbh.json"));
}

}  // namespace
}  // namespace rwku::conformance
