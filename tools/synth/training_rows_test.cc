#include "tools/synth/training_rows.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/protocol/prompts.h"
#include "tools/synth/tiny_tokenizer.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;

class TrainingRowsTest : public testing::Test {
 protected:
  TrainingRowsTest()
      : folder_(fs::path(testing::TempDir()) / ("training_rows_test." + std::to_string(getpid()))),
        world_(MakeWorld(7, 1).value()) {
    fs::create_directories(folder_);
    EXPECT_TRUE(WriteTinyTokenizer(world_, 0, 1024, folder_).ok());
    tokenizer_ = text::Tokenizer::Load(folder_).value();
  }
  ~TrainingRowsTest() override { fs::remove_all(folder_); }

  fs::path folder_;
  World world_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(TrainingRowsTest, RowsHoldTheDocumentsEndToEnd) {
  DocumentStream documents(world_, 1);
  TrainingRows rows(documents, *tokenizer_, 64);
  DocumentStream again(world_, 1);
  TrainingRows longer(again, *tokenizer_, 128);
  const TrainingRow first = rows.Next().value();
  const TrainingRow second = rows.Next().value();
  TrainingRow both = first;
  both.tokens.insert(both.tokens.end(), second.tokens.begin(), second.tokens.end());
  EXPECT_EQ(longer.Next().value().tokens, both.tokens);
}

TEST_F(TrainingRowsTest, TheLettersOfSolvedExamplesAreTheOnlyPartOfAPromptThatIsLearnt) {
  std::set<int32_t> letters;
  for (const absl::string_view candidate : protocol::kMmluCandidates) {
    const auto ids = tokenizer_->Encode(std::string(candidate), false).value();
    ASSERT_EQ(ids.size(), 1u);
    letters.insert(ids[0]);
  }
  Random random(1);
  UtilityDocuments documents(world_, random);
  for (int i = 0; i < 30; ++i) {
    const Document document = documents.NextMultipleChoice();
    const TrainingRow row = RowOf(document, *tokenizer_).value();
    ASSERT_EQ(row.tokens.size(), row.weights.size());
    EXPECT_THAT(std::vector<int32_t>(row.tokens.begin(), row.tokens.begin() + 2),
                testing::Each(tokenizer_->bos_id().value()));
    size_t learnt = 0;
    for (size_t at = 0; at + 1 < row.tokens.size(); ++at) {
      if (row.weights[at] > 0) {
        EXPECT_EQ(row.weights[at], 4);
        EXPECT_TRUE(letters.count(row.tokens[at])) << row.tokens[at];
        ++learnt;
      }
    }
    EXPECT_EQ(learnt, document.learnt_in_prompt.size() + 1);
    EXPECT_EQ(row.tokens.back(), tokenizer_->eos_id());
    EXPECT_EQ(row.weights.back(), 4);
  }
}

}  // namespace
}  // namespace rwku::synth
