// What only a store on disk has to show: kills, damage, full disks, locks, versions, backups.
#include "server/store/rocks_store.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/file.h"
#include "server/store/keys.h"

namespace rwku::store {
namespace {

namespace fs = std::filesystem;

class RocksStoreTest : public testing::Test {
 protected:
  RocksStoreTest() : folder_(Folder()) { Clear(); }
  ~RocksStoreTest() override { Clear(); }

  // Removes the folder with what is mounted there, and what runs that were killed left mounted.
  static void Clear() {
    const std::string ours = (fs::path(testing::TempDir()) / "rocks_store_").string();
    std::vector<std::string> mounted;
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      int pid = 0;
      if (words.size() > 1 && absl::StartsWith(words[1], ours) &&
          absl::SimpleAtoi(words[1].substr(ours.size(), words[1].find('.') - ours.size()), &pid) &&
          (pid == getpid() || !fs::exists(absl::StrCat("/proc/", pid)))) {
        mounted.push_back(words[1]);
      }
    }
    // Those that were mounted last lie on top.
    for (auto it = mounted.rbegin(); it != mounted.rend(); ++it) {
      umount2(it->c_str(), MNT_DETACH);
      fs::remove_all(*it);
    }
    fs::remove_all(Folder());
  }
  static fs::path Folder() {
    return fs::path(testing::TempDir()) /
           absl::StrCat("rocks_store_", getpid(), ".",
                        testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  // A file system of `size` at `folder`, or false without the right to that.
  static bool MountSmall(const fs::path& folder, const std::string& size) {
    fs::create_directories(folder);
    return mount("tmpfs", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }

  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const fs::path& folder) {
    RocksStoreOptions options;
    options.folder = folder;
    return RocksStore::Open(options);
  }
  static Batch RunBatch(int number, size_t payload_bytes = 10) {
    scheduler::RunRecord run;
    run.id = RunId(absl::StrCat("r", number));
    run.payload = std::string(payload_bytes, static_cast<char>('a' + number % 26));
    run.revision = static_cast<uint64_t>(number) + 1;
    Batch batch;
    batch.changes.emplace_back(scheduler::PutRun{run});
    return batch;
  }
  static std::vector<fs::path> Files(const fs::path& folder, const std::string& suffix) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (absl::EndsWith(entry.path().filename().string(), suffix)) {
        files.push_back(entry.path());
      }
    }
    return files;
  }
  static void FlipBit(const fs::path& path, size_t position) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(position));
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(position));
    file.put(byte);
  }

  const fs::path folder_;
};

TEST_F(RocksStoreTest, WhatACommitAcknowledgedSurvivesAKill) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Writes the number of every acknowledged run until it is killed.
    auto store = Open(folder_);
    for (int i = 0; store.ok() && (*store)->Commit({RunBatch(i)}).ok(); ++i) {
      if (write(pipe_ends[1], &i, sizeof(i)) != sizeof(i)) {
        break;
      }
    }
    _exit(1);
  }
  close(pipe_ends[1]);
  int acknowledged = -1;
  for (int number = 0; acknowledged < 40 && read(pipe_ends[0], &number, sizeof(number)) > 0;) {
    acknowledged = number;
  }
  kill(child, SIGKILL);
  // What was acknowledged before the signal arrived counts, too.
  for (int number = 0; read(pipe_ends[0], &number, sizeof(number)) > 0;) {
    acknowledged = number;
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto store = Open(folder_);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto state = (*store)->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_GE(acknowledged, 40);
  EXPECT_GE(state->runs.size(), static_cast<size_t>(acknowledged) + 1);
  EXPECT_GE(state->revision, static_cast<uint64_t>(acknowledged) + 1);
}

TEST_F(RocksStoreTest, ASecondServerIsRefusedWithTheNameOfTheFolder) {
  const auto store = Open(folder_);
  ASSERT_TRUE(store.ok());
  const absl::Status second = Open(folder_).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition) << second;
  EXPECT_TRUE(absl::StrContains(second.message(), folder_.string())) << second;
}

TEST_F(RocksStoreTest, ANewerSchemaIsRefusedNamingBothVersions) {
  ASSERT_TRUE(Open(folder_).ok());
  {
    rocksdb::DB* raw = nullptr;
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, folder_.string(), &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(rocksdb::DB::Open({}, folder_.string(), families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    EXPECT_TRUE(db->Put({}, "schema", EncodeUint64(kSchemaVersion + 6)).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    }
  }
  const absl::Status status = Open(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(status.message(), "schema version 7")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "versions up to 1")) << status;
}

TEST_F(RocksStoreTest, AFlippedBitInTheLogIsFound) {
  {
    const auto store = Open(folder_);
    ASSERT_TRUE(store.ok());
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE((*store)->Commit({RunBatch(i, 200)}).ok());
    }
  }
  // The log that holds the records: the largest.
  fs::path log;
  for (const fs::path& path : Files(folder_, ".log")) {
    if (log.empty() || fs::file_size(path) > fs::file_size(log)) {
      log = path;
    }
  }
  ASSERT_FALSE(log.empty());
  const std::string intact = *ReadFile(log);
  for (const size_t position : {intact.size() / 4, intact.size() / 2, intact.size() - 30}) {
    FlipBit(log, position);
    const auto store = Open(folder_);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << position;
    EXPECT_TRUE(absl::StrContains(store.status().message(), "backup")) << store.status();
    FlipBit(log, position);
  }
  EXPECT_TRUE(Open(folder_).ok());
}

TEST_F(RocksStoreTest, AFlippedBitInATableIsFoundAndTheFileIsNamed) {
  const fs::path copy = folder_ / "copy";
  {
    const auto store = Open(folder_ / "live");
    ASSERT_TRUE(store.ok());
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE((*store)->Commit({RunBatch(i, 500)}).ok());
    }
    ASSERT_TRUE((*store)->Backup(copy).ok());  // flushes everything into tables
  }
  const std::vector<fs::path> tables = Files(copy, ".sst");
  ASSERT_FALSE(tables.empty());
  const fs::path table = tables.front();
  FlipBit(table, fs::file_size(table) / 3);
  const absl::Status status = Open(copy).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(status.message(), table.filename().string())) << status;
}

TEST_F(RocksStoreTest, ALostFileIsFoundAndNoNewStoreIsBegunOnTop) {
  ASSERT_TRUE((*Open(folder_))->Commit({RunBatch(1)}).ok());
  fs::remove(folder_ / "CURRENT");
  const absl::Status status = Open(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(status.message(), "CURRENT")) << status;
}

TEST_F(RocksStoreTest, ABackupOfARunningStoreOpensAsAStore) {
  const auto store = Open(folder_ / "live");
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->Commit({RunBatch(1)}).ok());
  ASSERT_TRUE((*store)->Backup(folder_ / "copy").ok());
  ASSERT_TRUE((*store)->Commit({RunBatch(2)}).ok());
  EXPECT_EQ((*store)->Backup(folder_ / "copy").code(), absl::StatusCode::kAlreadyExists);
  const auto copy = Open(folder_ / "copy");
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ((*copy)->Load()->runs.size(), 1u);
}

TEST_F(RocksStoreTest, AFullDiskRefusesCommitsAndThenRecoversWithoutARestart) {
  if (!MountSmall(folder_, "8m")) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  const fs::path ballast = folder_ / "ballast";
  std::ofstream(ballast, std::ios::binary) << std::string(4 << 20, 'x');
  {
    RocksStoreOptions options;
    options.folder = folder_ / "db";
    options.reserve_bytes = 2 << 20;
    auto store = RocksStore::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    absl::Status status;
    int number = 0;
    while (status.ok() && number < 1000) {
      status = (*store)->Commit({RunBatch(number++, 50'000)});
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    status = (*store)->Commit({RunBatch(number, 50'000)});
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    const size_t written = static_cast<size_t>(number) - 1;
    EXPECT_EQ((*store)->Load()->runs.size(), written);  // reads go on
    EXPECT_EQ((*store)->Probe(200'000).code(), absl::StatusCode::kResourceExhausted);
    fs::remove(ballast);
    EXPECT_TRUE((*store)->Probe(200'000).ok());
    EXPECT_EQ((*store)->Probe(8 << 20).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE((*store)->Commit({RunBatch(number)}).ok());
    store->reset();
    const auto reopened = RocksStore::Open(options);
    ASSERT_TRUE(reopened.ok()) << reopened.status();
    EXPECT_EQ((*reopened)->Load()->runs.size(), written + 1);
  }
}

TEST_F(RocksStoreTest, AWriteThatFailsHalfWayForLackOfRoomIsTheLastOneUntilARestart) {
  if (!MountSmall(folder_, "8m")) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  RocksStoreOptions options;
  options.folder = folder_ / "db";
  options.reserve_bytes = 0;
  auto store = RocksStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Commit({RunBatch(1)}).ok());
  const fs::path ballast = folder_ / "ballast";
  {
    std::ofstream file(ballast, std::ios::binary);
    while (file.write(std::string(4096, 'x').data(), 4096).flush()) {
    }
  }
  // Room where the store looks for it, none where its log is.
  ASSERT_TRUE(MountSmall(options.folder, "8m"));
  const absl::Status status = (*store)->Commit({RunBatch(2, 50'000)});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "No space left")) << status;
  EXPECT_EQ(umount(options.folder.c_str()), 0);
  fs::remove(ballast);
  EXPECT_EQ((*store)->Commit({RunBatch(3)}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ((*store)->Probe(0).code(), absl::StatusCode::kDataLoss);
  store->reset();
  const auto reopened = RocksStore::Open(options);
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  EXPECT_EQ((*reopened)->Load()->runs.size(), 1u);
  EXPECT_TRUE((*reopened)->Commit({RunBatch(4)}).ok());
}

TEST_F(RocksStoreTest, WhatTheSystemRefusesAtTheStartIsNoDamage) {
  ASSERT_TRUE((*Open(folder_))->Commit({RunBatch(1)}).ok());
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  for (rlim_t files = 4; files < 16; ++files) {
    const rlimit few{files, limit.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    const absl::Status status = Open(folder_).status();
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << files << " files: " << status;
      EXPECT_TRUE(absl::StrContains(status.message(), "Too many open files")) << status;
      EXPECT_FALSE(absl::StrContains(status.message(), "backup")) << status;
    }
  }
  EXPECT_EQ((*Open(folder_))->Load()->runs.size(), 1u);
}

}  // namespace
}  // namespace rwku::store
