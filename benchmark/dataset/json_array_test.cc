#include "benchmark/dataset/json_array.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The file of the test that runs, in this process.
std::filesystem::path File() {
  return std::filesystem::path(testing::TempDir()) /
         absl::StrCat("json_array_", getpid(), "_",
                      testing::UnitTest::GetInstance()->current_test_info()->name());
}

class JsonArrayReaderTest : public testing::Test {
 protected:
  ~JsonArrayReaderTest() override { std::filesystem::remove(File()); }
};

std::filesystem::path WriteFile(const std::string& contents) {
  std::ofstream(File(), std::ios::binary) << contents;
  return File();
}

absl::StatusOr<std::vector<std::string>> ReadAll(const std::string& contents) {
  JsonArrayReader reader(WriteFile(contents), "x.json");
  std::vector<std::string> elements;
  std::string text;
  ElementSpan span;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(&text, &span);
    if (!more.ok()) {
      return more.status();
    }
    if (!*more) {
      return elements;
    }
    elements.push_back(text);
  }
}

TEST_F(JsonArrayReaderTest, SplitsAtTopLevelCommasOnly) {
  const auto elements = ReadAll(" [ {\"a\": [1, 2]},{\"b\": \"x,]}\\\"[\"} , 3]\n");
  ASSERT_TRUE(elements.ok()) << elements.status();
  EXPECT_THAT(*elements, ElementsAre("{\"a\": [1, 2]}", "{\"b\": \"x,]}\\\"[\"} ", "3"));
}

TEST_F(JsonArrayReaderTest, AnEmptyArrayHasNoElements) { EXPECT_THAT(*ReadAll("[ ]"), IsEmpty()); }

TEST_F(JsonArrayReaderTest, AByteOrderMarkIsSkipped) {
  EXPECT_THAT(*ReadAll("\xEF\xBB\xBF[1]"), ElementsAre("1"));
}

TEST_F(JsonArrayReaderTest, AnElementMayCrossManyChunks) {
  const std::string big = absl::StrCat("\"", std::string(1 << 20, 'x'), "\"");
  EXPECT_THAT(*ReadAll(absl::StrCat("[", big, ",", big, "]")), ElementsAre(big, big));
}

TEST_F(JsonArrayReaderTest, SpansLeadBackToTheElements) {
  const std::filesystem::path path = WriteFile("[ {\"a\":1} , {\"b\":2}]");
  JsonArrayReader reader(path, "x.json");
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  ElementSpan span;
  size_t count = 0;
  while (*reader.Next(&text, &span)) {
    EXPECT_EQ(*ReadSpan(stream, span, "x.json"), text);
    EXPECT_EQ(span.index, count++);
  }
  EXPECT_EQ(count, 2U);
}

TEST_F(JsonArrayReaderTest, ARecordThatCannotBeReadAnyMoreIsAnInternalError) {
  const std::filesystem::path path = WriteFile("[1]");
  std::ifstream stream(path, std::ios::binary);
  const absl::Status status =
      ReadSpan(stream, {.offset = 100, .length = 5, .index = 7}, "x.json").status();
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_EQ(status.message(), "x.json: record 7 cannot be read any more");
}

TEST_F(JsonArrayReaderTest, NestingBeyondTheLimitIsRefused) {
  const auto nested = [](int depth) {
    return ReadAll(absl::StrCat(std::string(depth, '['), std::string(depth, ']')));
  };
  EXPECT_TRUE(nested(kMaxJsonDepth).ok());
  EXPECT_THAT(std::string(nested(kMaxJsonDepth + 1).status().message()),
              HasSubstr("x.json: record 0: nested deeper than 64"));
}

TEST_F(JsonArrayReaderTest, WhatIsNotOneArrayIsRefusedWithTheReason) {
  struct Case {
    std::string contents;
    std::string message;
  };
  for (const Case& c : std::vector<Case>{
           {"", "x.json: found the end of the file, expected a JSON array"},
           {"{}", "x.json: found \"{\", expected a JSON array"},
           {"[1", "x.json: record 0: the file ends within it"},
           {"[\"a]", "x.json: record 0: the file ends within it"},
           {"[1,]", "x.json: record 1: found \"]\", expected a JSON object"},
           {"[1,,2]", "x.json: record 1: found \",\", expected a JSON object"},
           {"[1] [2]", "x.json: found \"[\" after the end of the array"},
           {"[]]", "x.json: found \"]\" after the end of the array"},
           {std::string("\0", 1), "x.json: found byte 0x00, expected a JSON array"}}) {
    EXPECT_EQ(ReadAll(c.contents).status().message(), c.message) << c.contents;
  }
}

TEST_F(JsonArrayReaderTest, AMissingFileIsNotFound) {
  JsonArrayReader reader("/nonexistent/x.json", "x.json");
  std::string text;
  ElementSpan span;
  EXPECT_EQ(reader.Next(&text, &span).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rwku::dataset
