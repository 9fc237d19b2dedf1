#include "tools/gpu_check/stage.h"

#include <cmath>
#include <sstream>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/gpu_check/worst.h"

namespace rwku::gpu_check {
namespace {

std::vector<Figures> Lines(const std::string& text) {
  std::vector<Figures> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(Figures::parse(line));
  }
  return lines;
}

TEST(StageTest, EveryStageHasALineWhateverHappenedBeforeIt) {
  std::ostringstream out;
  const bool ok = RunStages(
      {{"good", "",
        [](Figures& figures) {
          figures["tokens"] = 3;
          return absl::OkStatus();
        }},
       {"bad", "",
        [](Figures& figures) {
          figures["seen"] = 1;
          return absl::InternalError("wrong");
        }},
       {"throws", "", [](Figures&) -> absl::Status { throw std::runtime_error("thrown"); }},
       {"elsewhere", "no GPU is visible", nullptr},
       {"last", "", [](Figures&) { return absl::OkStatus(); }}},
      out);
  EXPECT_FALSE(ok);
  const std::vector<Figures> lines = Lines(out.str());
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(lines[0]["stage"], "good");
  EXPECT_EQ(lines[0]["ok"], true);
  EXPECT_EQ(lines[0]["tokens"], 3);
  EXPECT_TRUE(lines[0].contains("seconds"));
  EXPECT_EQ(lines[1]["ok"], false);
  EXPECT_EQ(lines[1]["seen"], 1);
  EXPECT_EQ(lines[1]["error"], "INTERNAL: wrong");
  EXPECT_EQ(lines[2]["error"], "INTERNAL: exception: thrown");
  EXPECT_EQ(lines[3]["skipped"], "no GPU is visible");
  EXPECT_FALSE(lines[3].contains("seconds"));
  EXPECT_EQ(lines[4]["ok"], true);
  EXPECT_EQ(lines[5]["stage"], "all");
  EXPECT_EQ(lines[5]["ok"], false);
  EXPECT_EQ(lines[5]["failed"], 2);
  EXPECT_EQ(lines[5]["skipped"], 1);
}

TEST(WorstTest, NoNumberIsTheWorstAndStays) {
  Worst worst;
  worst.Take(1, "one");
  worst.Take(0.5, "half");
  EXPECT_EQ(worst.of, "one");
  worst.Take(std::nan(""), "none");
  worst.Take(2, "two");
  EXPECT_EQ(worst.of, "none");
  EXPECT_FALSE(worst.value <= 10);
}

TEST(StageTest, AllGoodIsGood) {
  std::ostringstream out;
  EXPECT_TRUE(RunStages({{"good", "", [](Figures&) { return absl::OkStatus(); }}}, out));
  EXPECT_EQ(Lines(out.str()).back()["failed"], 0);
}

}  // namespace
}  // namespace rwku::gpu_check
