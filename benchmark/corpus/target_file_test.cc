#include "benchmark/corpus/target_file.h"

#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace rwku::corpus {
namespace {

using ::testing::HasSubstr;

TEST(TargetFileTest, ProbesBecomeFilesOfTheirSets) {
  const auto target = ParseTargetFile(R"({
    "name": "Ann Example",
    "intro": "Ann Example is a painter.",
    "probes": {
      "forget_level1": [{"query": "___ paints.", "answer": "Ann", "level": "1", "type": "cloze"}],
      "fluency": [{"instruction": "Write.", "subject": "Ann Example"},
                  {"instruction": "Speak."}]}})",
                                      "ann.json");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->subject.name, "Ann Example");
  EXPECT_EQ(target->subject.intro, "Ann Example is a painter.");
  ASSERT_EQ(target->probes.size(), 2U);
  EXPECT_EQ(target->probes[0].name, "forget_level1.json");
  EXPECT_EQ(target->probes[1].records, 2);
  EXPECT_EQ(nlohmann::json::parse(target->probes[0].contents)[0]["subject"], "Ann Example");
}

TEST(TargetFileTest, ProbesMayBeLeftOut) {
  const auto target = ParseTargetFile(R"({"name": "Ann", "intro": "Ann is."})", "ann.json");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_TRUE(target->probes.empty());
}

TEST(TargetFileTest, WhatIsWrongIsNamedByFileAndField) {
  const std::string start = R"({"name": "Ann", "intro": "Ann is.", "probes": )";
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "ann.json: expected a JSON object"},
      {"[]", "ann.json: expected a JSON object"},
      {R"({"intro": "x"})", "ann.json: field \"name\": is missing"},
      {R"({"name": 3, "intro": "x"})", "field \"name\": found number, expected string"},
      {R"({"name": "Ann"})", "field \"intro\": is missing"},
      {R"({"name": "", "intro": "x"})", "field \"name\""},
      {R"({"name": "../Ann", "intro": "x"})", "holds '/'"},
      {R"({"name": "A\nnn", "intro": "x"})", "control character"},
      {R"({"name": "Ann", "intro": " "})", "field \"intro\""},
      {R"({"name": "Ann", "intro": "x", "probe": {}})", "field \"probe\""},
      {start + "[]}", "field \"probes\": found array, expected object"},
      {start + R"({"forget_level9": []}})", "field \"probes.forget_level9\""},
      {start + R"({"forget_level1": []}})", "field \"probes.forget_level1\": expected an array"},
      {start + R"({"forget_level1": [{"query": "q"}]}})",
       "ann.json: probes.forget_level1: record 0: field \""},
      {start + R"({"forget_mia": [{"text": "t"}, 3]}})", "probes.forget_mia: record 1"},
      {start + R"({"fluency": [{"instruction": "x", "subject": "Bob"}]}})", "expected \"Ann\""}};
  for (const auto& [text, message] : wrong) {
    const absl::Status status = ParseTargetFile(text, "ann.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace rwku::corpus
