// The torch engine under the contract of every engine, on a model of tests/oracle/model_oracle.py.
#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"

#include "tests/contract/engine_contract.h"
#include "worker/engine/torch_engine.h"

namespace rwku::contract {
namespace {

std::filesystem::path ModelFolder() {
  const char* const root = std::getenv("RWKU_MODEL_ORACLE");
  return std::filesystem::path(root == nullptr ? "no oracle models" : root) / "llama3_8";
}

INSTANTIATE_TEST_SUITE_P(Torch, EngineContract,
                         testing::Values(EngineUnderTest{
                             .name = "Torch",
                             .make = [] { return engine::CreateTorchEngine(); },
                             .model_folder = ModelFolder}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::contract
