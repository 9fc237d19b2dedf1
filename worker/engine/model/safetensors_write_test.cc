#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/testing/resource_limit.h"
#include "worker/engine/model/safetensors.h"

namespace rwku::engine {
namespace {

class SafetensorsWriteTest : public ::testing::Test {
 protected:
  SafetensorsWriteTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                absl::StrCat("safetensors_write_test.", getpid())),
        path_(folder_ / "model.safetensors") {
    std::filesystem::create_directories(folder_);
  }
  ~SafetensorsWriteTest() override { std::filesystem::remove_all(folder_); }

  int FilesInFolder() const {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(folder_),
                                          std::filesystem::directory_iterator()));
  }

  const std::filesystem::path folder_;
  const std::filesystem::path path_;
};

std::string BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

// Tensors of `elements` float32 each, number i filled with i, that only exist while they are asked
// for. `alive` counts those that exist, `most_alive` how many did at once.
struct CountedTensors {
  int alive = 0;
  int most_alive = 0;

  std::vector<SafetensorsSource> Sources(int count, int64_t elements) {
    std::vector<SafetensorsSource> sources;
    for (int i = 0; i < count; ++i) {
      sources.push_back({absl::StrCat("t", i), at::kFloat, {elements}, [this, i, elements] {
                           most_alive = std::max(most_alive, ++alive);
                           auto* const values = new std::vector<float>(
                               static_cast<size_t>(elements), static_cast<float>(i));
                           return at::from_blob(
                               values->data(), {elements},
                               [this, values](void*) {
                                 delete values;
                                 --alive;
                               },
                               at::kFloat);
                         }});
    }
    return sources;
  }
};

TEST_F(SafetensorsWriteTest, TheBytesAreThoseOfTheFormat) {
  const at::Tensor a = at::arange(6).to(at::kFloat).view({2, 3});
  const at::Tensor b = at::arange(4).to(at::kBFloat16);
  const at::Tensor none = at::empty({0, 2}, at::kLong);
  ASSERT_TRUE(SaveSafetensors({{"a", a.t()}, {"b", b}, {"none", none}}, path_).ok());
  std::string header = R"({"__metadata__":{"format":"pt"},)"
                       R"("a":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},)"
                       R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                       R"("none":{"dtype":"I64","shape":[0,2],"data_offsets":[32,32]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header.size();
  std::string expected(sizeof(length), '\0');
  std::memcpy(expected.data(), &length, sizeof(length));
  absl::StrAppend(&expected, header, BytesOf(a.t().contiguous()), BytesOf(b));
  EXPECT_EQ(*ReadFile(path_), expected);
}

TEST_F(SafetensorsWriteTest, ConvertsToTheDtypeOfTheFile) {
  // More than one buffer.
  const at::Tensor values = at::arange(8'500'000).to(at::kBFloat16);
  const CancelToken never;
  ASSERT_TRUE(
      SaveSafetensors({{"a", at::kFloat, {8'500'000}, [&] { return values; }}}, path_, never).ok());
  const auto file = SafetensorsFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->Get("a")->equal(values.to(at::kFloat)));
}

TEST_F(SafetensorsWriteTest, HoldsOneTensorAtATime) {
  CountedTensors tensors;
  const CancelToken never;
  ASSERT_TRUE(SaveSafetensors(tensors.Sources(5, 1000), path_, never).ok());
  EXPECT_EQ(tensors.most_alive, 1);
  EXPECT_EQ(tensors.alive, 0);
  const auto file = SafetensorsFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->Get("t3")->equal(at::full({1000}, 3.F)));
}

// The most memory that this process had since the last ForgetPeak(), in bytes; -1 where the system
// does not say.
int64_t PeakMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (words.size() > 1 && words[0] == "VmHWM:" && absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
  }
  return -1;
}

bool ForgetPeak() {
  std::ofstream file("/proc/self/clear_refs");
  return static_cast<bool>(file << "5" << std::flush);
}

TEST_F(SafetensorsWriteTest, MemoryDoesNotGrowWithTheFile) {
  constexpr int64_t kTensorBytes = 16'000'000;
  CountedTensors tensors;
  const std::vector<SafetensorsSource> sources = tensors.Sources(20, kTensorBytes / 4);
  if (!ForgetPeak() || PeakMemory() < 0) {
    GTEST_SKIP() << "needs /proc/self/clear_refs and VmHWM";
  }
  const int64_t before = PeakMemory();
  const CancelToken never;
  ASSERT_TRUE(SaveSafetensors(sources, path_, never).ok());
  EXPECT_GE(std::filesystem::file_size(path_), 20U * kTensorBytes);
  EXPECT_LE(PeakMemory() - before, 4 * kTensorBytes);
}

TEST_F(SafetensorsWriteTest, AnErrorOfTheDiskLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(WriteFileAtomically(path_, "old").ok());
  CountedTensors tensors;
  const CancelToken never;
  absl::Status status;
  {
    const rwku::testing::ResourceLimit limit(RLIMIT_FSIZE, 5000);
    status = SaveSafetensors(tensors.Sources(3, 1000), path_, never);
  }
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("model.safetensors"), absl::string_view::npos) << status;
  EXPECT_EQ(*ReadFile(path_), "old");
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(SafetensorsWriteTest, CancelLeavesNothing) {
  CountedTensors tensors;
  std::vector<SafetensorsSource> sources = tensors.Sources(3, 1000);
  CancelToken cancel;
  sources[1].make = [&cancel, make = sources[1].make] {
    cancel.Cancel(absl::CancelledError("enough"));
    return make();
  };
  EXPECT_EQ(SaveSafetensors(sources, path_, cancel), absl::CancelledError("enough"));
  EXPECT_EQ(FilesInFolder(), 0);
  EXPECT_EQ(tensors.alive, 0);
}

TEST_F(SafetensorsWriteTest, NamesThatStandTwiceAreRefused) {
  const at::Tensor a = at::full({1}, 1.F);
  EXPECT_EQ(SaveSafetensors({{"a", a}, {"a", a}}, path_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FilesInFolder(), 0);
}

}  // namespace
}  // namespace rwku::engine
