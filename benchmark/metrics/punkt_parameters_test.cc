#include "benchmark/metrics/punkt_parameters.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"

namespace rwku::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class PunktParametersTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    Write("abbrev_types.txt", "mr\nu.s");
    Write("sent_starters.txt", "he\nthe\n");
    Write("collocations.tab", "##number##\tinternational\r\nb\tsmith");
    Write("ortho_context.tab", "coverage\t36\n\xC3\xA9t\xC3\xA9\t0");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, absl::string_view contents) {
    ASSERT_TRUE(WriteFileAtomically(folder_ / name, contents).ok());
  }
  void ExpectError(absl::string_view message) {
    const absl::Status status = LoadPunktParameters(folder_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(message));
  }

  std::filesystem::path folder_;
};

TEST_F(PunktParametersTest, ReadsTheFourFilesWithOrWithoutALastLineBreak) {
  const absl::StatusOr<PunktParameters> parameters = LoadPunktParameters(folder_);
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_THAT(parameters->abbreviations, UnorderedElementsAre("mr", "u.s"));
  EXPECT_THAT(parameters->sentence_starters, UnorderedElementsAre("he", "the"));
  EXPECT_THAT(parameters->collocations,
              UnorderedElementsAre("##number##\tinternational", "b\tsmith"));
  EXPECT_THAT(parameters->orthographic_contexts,
              UnorderedElementsAre(testing::Pair("coverage", PunktParameters::kUpperInside |
                                                                 PunktParameters::kLowerInside),
                                   testing::Pair("\xC3\xA9t\xC3\xA9", 0)));
}

TEST_F(PunktParametersTest, AnEmptyFileHasNoTypes) {
  Write("abbrev_types.txt", "");
  const absl::StatusOr<PunktParameters> parameters = LoadPunktParameters(folder_);
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_TRUE(parameters->abbreviations.empty());
}

TEST_F(PunktParametersTest, AMissingFileIsNamed) {
  std::filesystem::remove(folder_ / "collocations.tab");
  const absl::Status status = LoadPunktParameters(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr((folder_ / "collocations.tab").string()));
}

TEST_F(PunktParametersTest, AnErrorNamesFileAndLineAndWhatIsAllowed) {
  Write("collocations.tab", "a\tb\nc");
  ExpectError((folder_ / "collocations.tab").string() +
              ", line 2: \"c\" has 1 field between tabs, allowed are 2");
  Write("collocations.tab", "a\tb\n\tc");
  ExpectError("line 2: \"\tc\" has an empty field");
  Write("collocations.tab", "a\tb\tc");
  ExpectError("line 1: \"a\tb\tc\" has 3 fields between tabs, allowed are 2");
}

TEST_F(PunktParametersTest, ALineWithoutAWordIsRefused) {
  Write("sent_starters.txt", "he\n\nthe");
  ExpectError("sent_starters.txt, line 2: \"\" has an empty field");
}

TEST_F(PunktParametersTest, ContextsAreSumsOfTheKnownFlags) {
  for (const std::string contexts : {"x", "1", "-2", "128", "2 3", "99999999999"}) {
    Write("ortho_context.tab", "a\t126\nb\t" + contexts);
    ExpectError(absl::StrCat("ortho_context.tab, line 2: \"b\t", contexts, "\" has the contexts \"",
                             contexts, "\", allowed are even numbers from 0 to 126"));
  }
}

TEST_F(PunktParametersTest, BytesThatAreNotUtf8AreRefused) {
  Write("abbrev_types.txt", "mr\n\xC3(");
  ExpectError("abbrev_types.txt, line 2");
  ExpectError("is not UTF-8");
}

}  // namespace
}  // namespace rwku::metrics
