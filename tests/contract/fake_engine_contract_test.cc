// The contract of Engine on the fake.
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/contract/engine_contract.h"
#include "tests/testing/fake_engine.h"

namespace rwku::contract {
namespace {

// The model of this process's tests; it goes when they have ended.
class ModelFolder {
 public:
  ModelFolder() { EXPECT_TRUE(testing::WriteFakeModel(path_, 1).ok()); }
  ~ModelFolder() { std::filesystem::remove_all(path_); }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_ =
      std::filesystem::path(::testing::TempDir()) / absl::StrCat("fake_engine_contract_", getpid());
};

INSTANTIATE_TEST_SUITE_P(
    Fake, EngineContract,
    ::testing::Values(EngineUnderTest{
        .name = "Fake",
        .make = [] { return std::make_unique<testing::FakeEngine>(testing::FakeEngineOptions{}); },
        .model_folder =
            [] {
              static const ModelFolder folder;
              return folder.path();
            }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::contract
