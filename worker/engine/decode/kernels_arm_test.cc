// The ARM builds of the kernels, run under qemu, beside this processor's.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include <gtest/gtest.h>

#include "worker/engine/decode/kernel_builds.h"
#include "worker/engine/decode/kernel_cases.h"

namespace rwku::engine {
namespace {

// Build and case -> results.
using Results = std::map<std::string, std::map<std::string, std::vector<float>>>;

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    return output;
  }
  std::vector<char> buffer(size_t{1} << 16);
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return output;
}

Results Parse(absl::string_view output) {
  Results results;
  for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    std::vector<float>& values = results[words.at(0)][words.at(1)];
    for (size_t i = 2; i < words.size(); ++i) {
      values.push_back(std::strtof(words[i].c_str(), nullptr));
    }
  }
  return results;
}

TEST(KernelsArmTest, NeonGivesTheBitsOfPortableAndNearlyThoseOfThisProcessor) {
  const char* const program = std::getenv("RWKU_ARM_KERNELS");
  if (program == nullptr || !std::filesystem::exists(program)) {
    GTEST_SKIP() << "no program for ARM: aarch64-linux-gnu-g++ is missing (scripts/setup --tests)";
  }
  if (std::system("qemu-aarch64 --version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "qemu-aarch64 is missing (scripts/setup --tests)";
  }
  const Results arm = Parse(OutputOf(absl::StrCat("qemu-aarch64 ", program)));
  ASSERT_TRUE(arm.contains("neon"));
  ASSERT_TRUE(arm.contains("portable"));
  EXPECT_EQ(arm.at("neon"), arm.at("portable"));
  const std::vector<KernelCase> here = RunKernelCases(*SupportedKernels().back());
  ASSERT_EQ(arm.at("neon").size(), here.size());
  for (const KernelCase& expected : here) {
    ASSERT_TRUE(arm.at("neon").contains(expected.name)) << expected.name;
    const std::vector<float>& found = arm.at("neon").at(expected.name);
    ASSERT_EQ(found.size(), expected.results.size()) << expected.name;
    for (size_t i = 0; i < found.size(); ++i) {
      const float value = expected.results[i];
      EXPECT_NEAR(found[i], value, 2e-5F * (1 + std::abs(value))) << expected.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace rwku::engine
