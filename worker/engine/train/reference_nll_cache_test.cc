#include "worker/engine/train/reference_nll_cache.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "base/file.h"

namespace rwku::engine {
namespace {

class ReferenceNllCacheTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::optional<double> FindAnew(const std::string& key) const {
    ReferenceNllCache cache(folder_);
    cache.Open("abc");
    return cache.Find(key);
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("nll_cache_", getpid());
  const std::filesystem::path file_ = folder_ / "reference-nll-abc.txt";
};

TEST_F(ReferenceNllCacheTest, TheKeyIsOfAllThatTheValueDependsOn) {
  const TrainingSequence sequence{{1, 23}, {false, true}};
  const std::string key = ReferenceNllCache::Key("abc", "cpu Float", sequence);
  EXPECT_EQ(key, ReferenceNllCache::Key("abc", "cpu Float", sequence));
  EXPECT_NE(key, ReferenceNllCache::Key("abd", "cpu Float", sequence));
  EXPECT_NE(key, ReferenceNllCache::Key("abc", "cuda BFloat16", sequence));
  EXPECT_NE(key, ReferenceNllCache::Key("abc", "cpu Float", {{12, 3}, {false, true}}));
  EXPECT_NE(key, ReferenceNllCache::Key("abc", "cpu Float", {{1, 23}, {false, false}}));
}

TEST_F(ReferenceNllCacheTest, AnotherProcessFindsTheSameBits) {
  const double value = 1.0 / 3;
  ReferenceNllCache cache(folder_);
  cache.Insert("abc", {{"k1", value}});
  cache.Insert("abc", {{"k2", 2}, {"k3", -0.5}});
  EXPECT_EQ(FindAnew("k1"), value);
  EXPECT_EQ(FindAnew("k3"), -0.5);
  EXPECT_EQ(FindAnew("k4"), std::nullopt);
}

TEST_F(ReferenceNllCacheTest, TornAndForeignRecordsAreIgnoredAndSwallowNoOther) {
  ReferenceNllCache(folder_).Insert("abc", {{"k1", 1}, {"k2", 2}});
  std::string contents = *ReadFile(file_);
  contents.resize(contents.size() - 5);
  std::ofstream(file_) << "a foreign line\n" << contents;
  EXPECT_EQ(FindAnew("k1"), 1);
  EXPECT_EQ(FindAnew("k2"), std::nullopt);
  ReferenceNllCache(folder_).Insert("abc", {{"k2", 2}});
  EXPECT_EQ(FindAnew("k2"), 2);
}

TEST_F(ReferenceNllCacheTest, ARecordWithAChangedValueIsIgnored) {
  ReferenceNllCache(folder_).Insert("abc", {{"k1", 1}});
  std::string contents = *ReadFile(file_);
  const size_t digit = contents.find("3ff");
  ASSERT_NE(digit, std::string::npos);
  contents[digit] = '4';
  std::ofstream(file_) << contents;
  EXPECT_EQ(FindAnew("k1"), std::nullopt);
}

TEST_F(ReferenceNllCacheTest, AFolderThatCannotBeMadeLeavesTheValuesInMemory) {
  std::ofstream(folder_) << "a file";
  ReferenceNllCache cache(folder_);
  cache.Open("abc");
  cache.Insert("abc", {{"k1", 1}});
  EXPECT_EQ(cache.Find("k1"), 1);
}

}  // namespace
}  // namespace rwku::engine
