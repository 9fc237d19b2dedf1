#include "benchmark/dataset/record.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/dataset/corpora.h"
#include "benchmark/dataset/probes.h"
#include "benchmark/dataset/utility.h"

namespace rwku::dataset {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kName = "f.json: record 3";

// The message of parsing `text` by `parse`, or "" if that works.
template <typename Parse>
std::string MessageOf(const std::string& text, const Parse& parse) {
  const auto object = ParseObject(text, kName);
  if (!object.ok()) {
    return std::string(object.status().message());
  }
  const auto parsed = parse(Record(*object, std::string(kName)));
  return std::string(parsed.status().message());
}

struct Case {
  std::string text;
  std::string message;
};

TEST(RecordTest, WrongProbesAreRefusedByField) {
  const auto parse = [](const Record& record) {
    return ParseProbe(record, ProbeSet::kNeighborLevel1);
  };
  for (const Case& c : std::vector<Case>{
           {R"({"subject":"S","query":"q","answer":"a","type":"cloze","level":"1","neighbor":"n"})",
            ""},
           {R"({"subject":"S","query":"q","answer":7,"type":"cloze","level":"1","neighbor":"n"})",
            "f.json: record 3: field \"answer\": found number, expected string"},
           {R"({"subject":"S","query":"q","type":"cloze","level":"1","neighbor":"n"})",
            "f.json: record 3: field \"answer\": is missing"},
           {R"({"subject":"S","query":" ","answer":"a","type":"cloze","level":"1","neighbor":"n"})",
            "f.json: record 3: field \"query\": found a blank string, expected text"},
           {R"({"subject":"S","query":"q","answer":"a","type":"cloze","level":"9","neighbor":"n"})",
            "f.json: record 3: field \"level\": found \"9\", expected \"1\""},
           {R"({"subject":"S","query":"q","answer":"a","type":"cloze","level":"1"})",
            "f.json: record 3: field \"neighbor\": is missing"},
           {"[1]", "f.json: record 3: found array, expected object"}}) {
    EXPECT_EQ(MessageOf(c.text, parse), c.message) << c.text;
  }
}

TEST(RecordTest, WrongUtilityItemsAreRefusedByField) {
  const auto mmlu = [](const std::string& choices, const std::string& answer,
                       const std::string& examples) {
    return MessageOf(absl::StrCat(R"({"task":"t","question":"q","choices":)", choices,
                                  R"(,"answer":)", answer, R"(,"examples":)", examples, "}"),
                     ParseMmlu);
  };
  const std::string four = R"(["a","b","c","d"])";
  const std::string shot = absl::StrCat(R"([{"question":"q","choices":)", four, R"(,"answer":0}])");
  EXPECT_EQ(mmlu(four, "3", shot), "");
  EXPECT_THAT(mmlu(R"(["a"])", "0", shot), HasSubstr("\"choices\": found 1 choices, expected 4"));
  EXPECT_THAT(mmlu(four, "4", shot), HasSubstr("\"answer\": found 4, allowed: 0 to 3"));
  EXPECT_THAT(mmlu(four, "18446744073709551615", shot), HasSubstr("allowed: 0 to 3"));
  EXPECT_THAT(mmlu(four, "1.5", shot), HasSubstr("found number, expected integer"));
  EXPECT_THAT(mmlu(four, "0", "[]"), HasSubstr("\"examples\": found an empty array"));
  EXPECT_THAT(mmlu(four, "0", "[3]"), HasSubstr("\"examples[0]\": found number, expected object"));
  EXPECT_THAT(mmlu(four, "0", R"([{"question":1}])"),
              HasSubstr("\"examples[0].question\": found number, expected string"));

  const auto truthful = [](const std::string& mc1) {
    return MessageOf(absl::StrCat(R"({"question":"q","mc1_targets":)", mc1,
                                  R"(,"mc2_targets":{"choices":["a","b"],"labels":[1,0]}})"),
                     ParseTruthful);
  };
  EXPECT_EQ(truthful(R"({"choices":["a","b"],"labels":[1,0]})"), "");
  EXPECT_THAT(truthful(R"({"choices":["a","b"],"labels":[1]})"),
              HasSubstr("\"mc1_targets.labels\": found 1 labels for 2 choices"));
  EXPECT_THAT(truthful(R"({"choices":["a","b"],"labels":[0,0]})"),
              HasSubstr("at least one true and one false"));
  EXPECT_THAT(MessageOf(R"({"question":"q","answers":[]})", ParseTrivia),
              HasSubstr("\"answers\": found an empty array"));
}

TEST(RecordTest, ABbhAnswerMayBeAStringOrAList) {
  for (const char* answer : {R"("x")", R"(["x"])"}) {
    const auto object = ParseObject(
        absl::StrCat(R"({"task":"t","cot":"c","question":"q","answer":)", answer, "}"), kName);
    const auto item = ParseBbh(Record(*object, std::string(kName)));
    ASSERT_TRUE(item.ok()) << item.status();
    EXPECT_EQ(item->answers, std::vector<std::string>{"x"});
  }
}

TEST(RecordTest, APairNeedsExactlyTwoResponses) {
  EXPECT_EQ(MessageOf(R"({"prompt":"p","response":["a","b"]})", ParsePair), "");
  EXPECT_THAT(MessageOf(R"({"prompt":"p","response":["a"]})", ParsePair),
              HasSubstr("\"response\": found 1 texts, expected 2"));
}

TEST(RecordTest, BrokenJsonNamesTheRecordAndQuotesLittle) {
  const auto object =
      ParseObject(absl::StrCat("{\"a\": \"", std::string(10000, 'x'), "\n\"}"), kName);
  ASSERT_FALSE(object.ok());
  EXPECT_THAT(std::string(object.status().message()), HasSubstr("f.json: record 3: parse error"));
  EXPECT_LT(object.status().message().size(), 300U);
}

TEST(RecordTest, TextThatIsNotUtf8IsRefused) {
  EXPECT_FALSE(ParseObject("{\"a\": \"\xFF\"}", kName).ok());
}

TEST(RecordTest, ANumberBeyondAllRangesIsRefused) {
  EXPECT_FALSE(ParseObject("{\"a\": 1e9999}", kName).ok());
}

TEST(RecordTest, ScanFieldFindsTheOuterFieldOnly) {
  EXPECT_EQ(*ScanField(R"({"x":{"subject":"no"},"y":["subject"],"subject":"S"})", "subject", kName),
            "S");
  EXPECT_EQ(ScanField(R"({"subject":5})", "subject", kName).status().message(),
            "f.json: record 3: field \"subject\": found number, expected string");
  EXPECT_FALSE(ScanField("5", "subject", kName).ok());
}

}  // namespace
}  // namespace rwku::dataset
