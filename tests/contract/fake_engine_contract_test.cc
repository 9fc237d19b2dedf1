// The contract of Engine on the fake.
#include <filesystem>
#include <memory>

#include "gtest/gtest.h"

#include "tests/contract/engine_contract.h"
#include "tests/testing/fake_engine.h"

namespace rwku::contract {
namespace {

std::filesystem::path ModelFolder() {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "fake-engine-contract-model";
  EXPECT_TRUE(testing::WriteFakeModel(folder, 1).ok());
  return folder;
}

INSTANTIATE_TEST_SUITE_P(
    Fake, EngineContract,
    ::testing::Values(EngineUnderTest{
        .name = "Fake",
        .make = [] { return std::make_unique<testing::FakeEngine>(testing::FakeEngineOptions{}); },
        .model_folder = ModelFolder}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::contract
