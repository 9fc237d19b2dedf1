#include "worker/engine/train/computed_in.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/file.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/reference_nll_cache.h"

namespace rwku::engine {
namespace {

void WriteCard(const std::filesystem::path& folder, const std::string& bus,
               const std::string& model) {
  std::filesystem::create_directories(folder / bus);
  ASSERT_TRUE(WriteFileAtomically(folder / bus / "information",
                                  "Model: \t\t " + model + "\nIRQ:   \t\t 54\n")
                  .ok());
}

TEST(ComputedInTest, TheModelsOfTheCardsAreToldOnceEach) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "computed_in_test";
  std::filesystem::remove_all(folder);
  EXPECT_EQ(GpuModels(folder), "");
  WriteCard(folder, "0000:02:00.0", "NVIDIA H200");
  WriteCard(folder, "0000:03:00.0", "NVIDIA A100");
  WriteCard(folder, "0000:04:00.0", "NVIDIA H200");
  EXPECT_EQ(GpuModels(folder), "NVIDIA A100,NVIDIA H200");
  std::filesystem::remove_all(folder);
}

TEST(ComputedInTest, AKnownValueIsOfTheSameDtypeAndTorch) {
  const std::string wide = ComputedIn(at::kCPU, at::kFloat);
  EXPECT_NE(wide, ComputedIn(at::kCPU, at::kBFloat16));
  EXPECT_NE(wide.find(" torch 2."), std::string::npos) << wide;
  const TrainingSequence sequence{{1, 2}, {false, true}};
  EXPECT_NE(ReferenceNllCache::Key("weights", wide, sequence),
            ReferenceNllCache::Key("weights", wide + "9", sequence));
}

}  // namespace
}  // namespace rwku::engine
