#include "server/store/copy_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "server/store/rocks_store.h"

namespace rwku::store {
namespace {

namespace fs = std::filesystem;

class CopyStoreTest : public testing::Test {
 protected:
  CopyStoreTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("copy_store_", getpid(), ".",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~CopyStoreTest() override { fs::remove_all(root_); }

  static Batch RunBatch(int number, size_t payload_bytes) {
    scheduler::RunRecord run;
    run.id = RunId(absl::StrCat("r", number));
    run.payload = std::string(payload_bytes, static_cast<char>('a' + number % 26));
    run.revision = static_cast<uint64_t>(number) + 1;
    Batch batch;
    batch.changes.emplace_back(scheduler::PutRun{run});
    return batch;
  }

  // How many runs the store has, which must be r0, r1, ... without a gap.
  static absl::StatusOr<int> CountRuns(const fs::path& folder) {
    auto store = RocksStore::Open({.folder = folder});
    if (!store.ok()) {
      return store.status();
    }
    const auto state = (*store)->Load();
    if (!state.ok()) {
      return state.status();
    }
    std::set<std::string> names;
    for (const scheduler::RunRecord& run : state->runs) {
      names.insert(run.id.value());
    }
    for (size_t i = 0; i < names.size(); ++i) {
      if (!names.contains(absl::StrCat("r", i))) {
        return absl::DataLossError(absl::StrCat("r", i, " of ", names.size(), " is missing"));
      }
    }
    return static_cast<int>(names.size());
  }

  const fs::path root_;
};

TEST_F(CopyStoreTest, CopiesUnderAServerThatWritesHoldEveryAcknowledgedCommitAndNoGap) {
  auto store = RocksStore::Open({.folder = root_ / "store"});
  ASSERT_TRUE(store.ok()) << store.status();
  // Each copy is taken while so many commits are made; a flush every 16, and a new log with it.
  constexpr int kCopies = 8;
  constexpr int kCommitsPerCopy = 40;
  std::atomic<int> acknowledged = 0;
  std::atomic<int> allowed = 0;
  std::thread writer([&] {
    for (int i = 0; i < kCopies * kCommitsPerCopy; ++i) {
      for (int now = allowed; now <= i; now = allowed) {
        allowed.wait(now);
      }
      if (!(*store)->Commit({RunBatch(i, 1'000'000)}).ok()) {
        return;
      }
      acknowledged = i + 1;
    }
  });
  int last = 0;
  for (int i = 0; i < kCopies; ++i) {
    allowed += kCommitsPerCopy;
    allowed.notify_one();
    const int before = acknowledged;
    const fs::path copy = root_ / absl::StrCat("copy", i);
    const absl::Status copied = CopyStore(root_ / "store", copy);
    const int after = acknowledged + 1;
    EXPECT_TRUE(copied.ok()) << copied;
    const absl::StatusOr<int> runs = CountRuns(copy);
    EXPECT_TRUE(runs.ok()) << runs.status();
    EXPECT_GE(runs.value_or(0), before);
    EXPECT_LE(runs.value_or(0), after);
    last = after;
    fs::remove_all(copy);
  }
  writer.join();
  EXPECT_GT(last, 20) << "the store was never flushed";
}

TEST_F(CopyStoreTest, AStoreThatNobodyRunsIsCopiedWithoutAChangeToIt) {
  {
    auto store = RocksStore::Open({.folder = root_ / "store"});
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->Commit({RunBatch(0, 10), RunBatch(1, 10)}).ok());
  }
  std::set<std::string> before;
  for (const auto& entry : fs::directory_iterator(root_ / "store")) {
    before.insert(absl::StrCat(entry.path().string(), " ", entry.file_size()));
  }
  ASSERT_TRUE(CopyStore(root_ / "store", root_ / "copy").ok());
  std::set<std::string> after;
  for (const auto& entry : fs::directory_iterator(root_ / "store")) {
    after.insert(absl::StrCat(entry.path().string(), " ", entry.file_size()));
  }
  EXPECT_EQ(before, after);
  const absl::StatusOr<int> runs = CountRuns(root_ / "copy");
  ASSERT_TRUE(runs.ok()) << runs.status();
  EXPECT_EQ(*runs, 2);
}

TEST_F(CopyStoreTest, ALogThatEndsInTheMiddleOfACommitIsRead) {
  {
    auto store = RocksStore::Open({.folder = root_ / "store"});
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->Commit({RunBatch(0, 1000)}).ok());
    ASSERT_TRUE((*store)->Commit({RunBatch(1, 1000)}).ok());
    ASSERT_TRUE(CopyStore(root_ / "store", root_ / "copy").ok());
  }
  for (const auto& entry : fs::directory_iterator(root_ / "copy")) {
    if (entry.path().extension() == ".log") {
      fs::resize_file(entry.path(), entry.file_size() - 100);
    }
  }
  const absl::StatusOr<int> runs = CountRuns(root_ / "copy");
  ASSERT_TRUE(runs.ok()) << runs.status();
  EXPECT_EQ(*runs, 1);
}

TEST_F(CopyStoreTest, RefusesWhatIsNoStoreAndATargetThatExists) {
  const absl::Status none = CopyStore(root_ / "nothing", root_ / "copy");
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(none.message(), (root_ / "nothing").string())) << none;
  EXPECT_FALSE(fs::exists(root_ / "copy"));

  ASSERT_TRUE(RocksStore::Open({.folder = root_ / "store"}).ok());
  fs::create_directory(root_ / "taken");
  std::ofstream(root_ / "taken/file") << "mine";
  const absl::Status taken = CopyStore(root_ / "store", root_ / "taken");
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists(root_ / "taken/file"));

  const absl::Status nowhere = CopyStore(root_ / "store", root_ / "no/folder");
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(absl::StrContains(nowhere.message(), "No such file")) << nowhere;
}

}  // namespace
}  // namespace rwku::store
