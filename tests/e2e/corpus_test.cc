// rwku corpus generate with real processes: the same folder, byte for byte, whoever writes it and
// whatever happens on the way.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tests/testing/fake_engine.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kTargets = 4;
constexpr absl::Duration kTimeout = absl::Minutes(2);

class CorpusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            absl::StrCat("corpus_test.", getpid(), ".",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    fs::create_directories(root_ / "out");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    const auto world = synth::MakeWorld(7, kTargets);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, {}, root_ / "datasets" / "synthetic").ok());
  }
  void TearDown() override {
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  ClusterOptions Options(const std::string& name, int item_ms = 0) const {
    ClusterOptions options;
    options.root = root_ / name;
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.worker_env = {{"RWKU_FAKE_ITEM_MS", absl::StrCat(item_ms)}};
    return options;
  }

  // Starts `rwku` with `arguments` against the cluster.
  testing::Process Start(const Cluster& cluster, std::vector<std::string> arguments) const {
    const char* build = std::getenv("RWKU_BINARY_DIR");
    const fs::path bin = fs::path(build == nullptr ? "." : build) / "bin";
    arguments.insert(arguments.begin(), {(bin / "rwku").string(), "--server", cluster.address()});
    testing::ProcessOptions options;
    options.argv = std::move(arguments);
    options.stdout_file = root_ / "stdout";
    options.stderr_file = root_ / "stderr";
    fs::remove(root_ / "stdout");
    fs::remove(root_ / "stderr");
    return *testing::Process::Start(options);
  }
  static int End(testing::Process process) {
    const auto exit = process.Wait(kTimeout);
    EXPECT_TRUE(exit.ok()) << exit.status();
    return exit.ok() ? exit->code.value_or(-1) : -1;
  }
  int Run(const Cluster& cluster, std::vector<std::string> arguments) const {
    return End(Start(cluster, std::move(arguments)));
  }
  std::string Errors() const { return ReadFile(root_ / "stderr").value_or(""); }

  static std::vector<std::string> GenerateTo(const fs::path& out) {
    return {"corpus",    "generate", "--model",    "fake",        "--dataset",
            "synthetic", "--out",    out.string(), "--questions", "20"};
  }

  // What a cluster of undisturbed workers writes.
  std::map<std::string, std::string> WrittenBy(int workers) {
    const std::string name = absl::StrCat("workers", workers);
    Cluster cluster(Options(name, 1));
    EXPECT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
    for (int i = 0; i < workers; ++i) {
      EXPECT_TRUE(cluster.StartWorker(absl::StrCat("w", i)).ok());
    }
    const fs::path out = root_ / "out" / name;
    EXPECT_EQ(Run(cluster, GenerateTo(out)), 0) << Errors() << cluster.Logs();
    return FilesOf(out);
  }

  // Path below `folder` -> bytes.
  static std::map<std::string, std::string> FilesOf(const fs::path& folder) {
    std::map<std::string, std::string> files;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
      if (entry.is_regular_file()) {
        files[fs::relative(entry.path(), folder).string()] = ReadFile(entry.path()).value_or("");
      }
    }
    return files;
  }

  fs::path root_;
};

TEST_F(CorpusTest, OneAndFourWorkersWriteTheSameFolder) {
  const auto one = WrittenBy(1);
  EXPECT_EQ(one.size(), 1U + kTargets * 5U);
  EXPECT_EQ(WrittenBy(4), one);

  const auto manifest = nlohmann::json::parse(one.at("manifest.json"));
  EXPECT_EQ(manifest["model"], "fake");
  EXPECT_EQ(manifest["family"], "llama");
  EXPECT_EQ(manifest["seed"], 42);
  EXPECT_EQ(manifest["settings"]["top_p"], 0.9);
  EXPECT_FALSE(manifest["weights_checksum"].get<std::string>().empty());
  ASSERT_EQ(manifest["targets"].size(), static_cast<size_t>(kTargets));
  for (const auto& target : manifest["targets"]) {
    for (const auto& file : target["files"]) {
      const std::string path =
          absl::StrCat(target["folder"].get<std::string>(), "/", file["name"].get<std::string>());
      ASSERT_TRUE(one.contains(path)) << path;
      EXPECT_EQ(file["sha256"], Sha256Hex(one.at(path)));
      EXPECT_EQ(file["records"], nlohmann::json::parse(one.at(path)).size());
    }
  }
}

TEST_F(CorpusTest, RestartsInTheMiddleChangeNoByte) {
  const auto expected = WrittenBy(1);
  // Slow enough for the faults to meet a job at work; each job has 44 texts.
  Cluster cluster(Options("restarted", 20));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  const fs::path out = root_ / "out" / "restarted";
  testing::Process process = Start(cluster, GenerateTo(out));
  const auto jobs_done = [&](size_t wanted) {
    return testing::WaitUntil("jobs to end", kTimeout, [&] {
      const auto runs = cluster.client().ListRuns();
      if (!runs.ok() || runs->empty()) {
        return false;
      }
      const auto jobs = cluster.client().ListJobs(runs->front().name(), {v1::JOB_STATE_SUCCEEDED});
      const auto leased = cluster.client().ListJobs(runs->front().name(), {v1::JOB_STATE_LEASED});
      return jobs.ok() && leased.ok() && jobs->size() >= wanted && !leased->empty();
    });
  };
  ASSERT_TRUE(jobs_done(1).ok()) << cluster.Logs();
  cluster.KillServer();
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(jobs_done(2).ok()) << cluster.Logs();
  cluster.KillWorker("w0");
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(End(std::move(process)), 0) << Errors() << cluster.Logs();
  EXPECT_EQ(FilesOf(out), expected);
  // Nothing else is left beside it.
  size_t beside = 0;
  for (const auto& entry : fs::directory_iterator(root_ / "out")) {
    beside += absl::StrContains(entry.path().filename().string(), ".partial") ? 1U : 0U;
  }
  EXPECT_EQ(beside, 0U);
}

TEST_F(CorpusTest, CustomTargetIsWrittenWithItsProbesAndCanBeForgotten) {
  Cluster cluster(Options("custom"));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  const fs::path file = root_ / "zoe.json";
  std::ofstream(file) << R"({"name": "Zoë Elsewhere", "intro": "Zoë Elsewhere is a sailor.",
    "probes": {"forget_level1": [
      {"query": "Zoë Elsewhere is a ___.", "answer": "sailor", "level": "1", "type": "cloze"}]}})";
  const fs::path out = root_ / "datasets" / "own";
  std::vector<std::string> arguments = GenerateTo(out);
  arguments.insert(arguments.end(), {"--target-file", file.string(), "--kinds", "positive,pair",
                                     "--max-openers", "3"});
  ASSERT_EQ(Run(cluster, arguments), 0) << Errors() << cluster.Logs();
  const fs::path folder = out / "Target" / absl::StrCat(kTargets + 1, "_Zoë_Elsewhere");
  const auto written = FilesOf(folder);
  EXPECT_EQ(written.size(), 4U);
  EXPECT_EQ(nlohmann::json::parse(written.at("pair.json")).size(), 3U);
  EXPECT_THAT(written.at("forget_level1.json"), HasSubstr("sailor"));
  EXPECT_EQ(Run(cluster, {"submit", "--model", "fake", "--dataset", "own", "--target",
                          "Zoë Elsewhere", "--method", "ga", "--wait"}),
            0)
      << Errors() << cluster.Logs();
  // A place that is taken, and a target file that is wrong, cost no run.
  EXPECT_EQ(Run(cluster, arguments), 2);
  EXPECT_THAT(Errors(), HasSubstr("exists"));
  std::ofstream(file) << R"({"name": "Zoë Elsewhere", "intro": 3})";
  arguments[7] = (root_ / "out" / "again").string();
  EXPECT_EQ(Run(cluster, arguments), 2);
  EXPECT_THAT(Errors(), AllOf(HasSubstr("zoe.json"), HasSubstr("field \"intro\"")));
  EXPECT_EQ(cluster.client().ListRuns()->size(), 2U);
}

}  // namespace
}  // namespace rwku::e2e
