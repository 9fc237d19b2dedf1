// The NCCL half compiles and links: this program holds every symbol that it needs. Without a GPU
// there is nothing more to see of it.
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "worker/engine/parallel/process_group.h"

namespace rwku::engine {
namespace {

TEST(NcclLinkTest, TheGroupIsThereAndSaysWhatItLacks) {
  EXPECT_TRUE(HasNccl());
  GangPlan plan;
  plan.name = "link";
  const auto store = c10::make_intrusive<c10d::HashStore>();
  try {
    const auto group = MakeNcclGroup(store, plan, at::Device(at::kCUDA, 0));
    EXPECT_EQ(group->getSize(), 2);  // where there is a GPU
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("GPU"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace rwku::engine
