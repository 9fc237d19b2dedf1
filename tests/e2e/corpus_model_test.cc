// Corpora by the real engine: the files of a target do not depend on how many texts are written at
// once.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cancel.h"
#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/records.h"
#include "benchmark/corpus/write_texts.h"
#include "worker/engine/torch_engine.h"

namespace rwku {
namespace {

class CorpusModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_MODEL_ORACLE");
    if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "stamp.json")) {
      GTEST_SKIP() << "no oracle models: .deps/venv with transformers is missing";
    }
    folder_ = std::filesystem::path(root) / "llama3_8";
    plan_.subject = {"Anna Berg", "Anna Berg is a cellist."};
    plan_.sets = corpus::TextSetsOf(corpus::kWrittenKinds);
    for (int i = 0; i < 40; ++i) {
      plan_.openers.push_back(i == 0 ? "" : absl::StrCat("Opener ", i % 7, ","));
    }
    plan_.refusals = {"No idea.", "I don't know.", "I can't say."};
    plan_.questions = 30;
    plan_.max_new_tokens = 40;
  }

  // Name -> contents.
  std::map<std::string, std::string> FilesAt(int batch, bool share_prefixes) {
    engine::EngineOptions options;
    options.decode_batch = batch;
    options.share_prefixes = share_prefixes;
    const std::unique_ptr<engine::Engine> engine = engine::CreateTorchEngine(options);
    EXPECT_TRUE(engine->Load(folder_, cancel_).ok());
    std::vector<corpus::Text> texts;
    const auto usage = corpus::WriteTexts(
        engine->model(), plan_,
        [&texts](std::vector<corpus::Text> set) {
          texts.insert(texts.end(), set.begin(), set.end());
          return absl::OkStatus();
        },
        nullptr, cancel_);
    EXPECT_TRUE(usage.ok()) << usage.status();
    const auto files =
        corpus::MakeRecordFiles(plan_.subject, corpus::kWrittenKinds, "llama", texts);
    EXPECT_TRUE(files.ok()) << files.status();
    std::map<std::string, std::string> contents;
    for (const corpus::RecordFile& file : files.value()) {
      contents[file.name] = file.contents;
    }
    return contents;
  }

  CancelToken cancel_;
  std::filesystem::path folder_;
  corpus::WritingPlan plan_;
};

TEST_F(CorpusModelTest, FilesAreTheSameAtEveryBatch) {
  const auto alone = FilesAt(1, false);
  EXPECT_EQ(alone.size(), 4U);
  EXPECT_THAT(alone.at("positive.json"), testing::HasSubstr("Opener 3,"));
  for (const int batch : {1, 16, 64}) {
    EXPECT_EQ(FilesAt(batch, true), alone) << batch;
  }
}

TEST_F(CorpusModelTest, AnotherSeedWritesOtherTexts) {
  const auto before = FilesAt(16, true);
  plan_.seed = 43;
  const auto after = FilesAt(16, true);
  for (const auto& [name, contents] : before) {
    EXPECT_NE(after.at(name), contents) << name;
  }
}

}  // namespace
}  // namespace rwku
