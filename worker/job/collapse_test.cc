#include "worker/job/collapse.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::job {
namespace {

using dataset::ProbeSet;
using ::testing::HasSubstr;

void Add(std::vector<evaluate::Prediction>* predictions, ProbeSet set, const std::string& output,
         int count) {
  for (int i = 0; i < count; ++i) {
    evaluate::Prediction prediction;
    prediction.probe_set = set;
    prediction.output = output;
    predictions->push_back(std::move(prediction));
  }
}

TEST(CollapseTest, HalfOfTheNeighborAnswersDecide) {
  std::vector<evaluate::Prediction> predictions;
  Add(&predictions, ProbeSet::kNeighborLevel1, "Paris", 3);
  Add(&predictions, ProbeSet::kNeighborLevel2, "", 2);
  Add(&predictions, ProbeSet::kForgetLevel1, "...", 50);
  EXPECT_EQ(FindCollapse(predictions), "");
  Add(&predictions, ProbeSet::kNeighborLevel2, "! ! !", 1);
  EXPECT_THAT(FindCollapse(predictions), HasSubstr("3 of 6 answers to neighbor probes"));
}

TEST(CollapseTest, ForgetAnswersCountWhereNoNeighborWasAsked) {
  std::vector<evaluate::Prediction> predictions;
  Add(&predictions, ProbeSet::kForgetLevel3, "the the the the the", 1);
  Add(&predictions, ProbeSet::kForgetLevel1, "1947", 1);
  EXPECT_THAT(FindCollapse(predictions), HasSubstr("1 of 2 answers to forget probes"));
}

TEST(CollapseTest, TextsAndUtilitySayNothing) {
  std::vector<evaluate::Prediction> predictions;
  Add(&predictions, ProbeSet::kForgetMia, "", 5);
  Add(&predictions, ProbeSet::kFluency, "", 5);
  EXPECT_EQ(FindCollapse(predictions), "");
  EXPECT_EQ(FindCollapse({}), "");
}

}  // namespace
}  // namespace rwku::job
