// Words and characters against NLTK and Python. tests/oracle/words_oracle.py writes what they give
// into the folder RWKU_ORACLE_DIR; CTest runs it before this.
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"
#include "benchmark/metrics/punkt.h"
#include "benchmark/metrics/punkt_parameters.h"
#include "benchmark/metrics/python_text.h"
#include "benchmark/metrics/unicode.h"
#include "benchmark/metrics/word_tokenize.h"

namespace rwku::metrics {
namespace {

using ::nlohmann::json;

std::filesystem::path Folder(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

std::filesystem::path PunktFolder() {
  return Folder("RWKU_SHARED") / "data/nltk_data/tokenizers/punkt_tab/english";
}

class WordsOracleTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::StatusOr<std::string> contents = ReadFile(Folder("RWKU_ORACLE_DIR") / "words.json");
    if (contents.ok()) {
      answers = std::make_unique<json>(json::parse(*contents));
    }
  }
  static void TearDownTestSuite() { answers.reset(); }

  void SetUp() override {
    if (answers == nullptr) {
      GTEST_SKIP() << "no oracle output at " << Folder("RWKU_ORACLE_DIR") / "words.json"
                   << ": no oracle Python, or no Punkt parameters (RWKU_SHARED)";
    }
  }

  static std::unique_ptr<json> answers;
};

std::unique_ptr<json> WordsOracleTest::answers;

// Calls `answer` with each text's record and compares what it gives with the record's `key`.
void CompareAll(const json& texts, const std::string& key,
                const std::function<json(const std::string& text)>& answer) {
  ASSERT_GE(texts.size(), 12000);
  std::map<std::string, int> different;
  for (const json& record : texts) {
    const json given = answer(record.at("text").get_ref<const std::string&>());
    const auto& kind = record.at("kind").get_ref<const std::string&>();
    // A few of a kind say enough.
    constexpr size_t kShown = 2000;
    if (given != record.at(key) && ++different[kind] <= 3) {
      ADD_FAILURE() << kind << ": " << record.at("text").dump().substr(0, kShown) << "\nis      "
                    << given.dump().substr(0, kShown) << "\ninstead "
                    << record.at(key).dump().substr(0, kShown);
    }
  }
  EXPECT_TRUE(different.empty()) << testing::PrintToString(different);
}

TEST_F(WordsOracleTest, TokensAreIdenticalToNltks) {
  const absl::StatusOr<WordTokenizer> tokenizer = WordTokenizer::Load(PunktFolder());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  CompareAll(answers->at("texts"), "tokens",
             [&](const std::string& text) { return tokenizer->Tokenize(text); });
}

TEST_F(WordsOracleTest, SentencesAreIdenticalToNltks) {
  absl::StatusOr<PunktParameters> parameters = LoadPunktParameters(PunktFolder());
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  const Punkt punkt(*std::move(parameters));
  CompareAll(answers->at("texts"), "sentences", [&](const std::string& text) {
    const std::u32string decoded = python::Decode(text);
    json spans = json::array();
    for (const std::u32string_view sentence : punkt.Sentences(decoded)) {
      const auto begin = static_cast<size_t>(sentence.data() - decoded.data());
      spans.push_back({begin, begin + sentence.size()});
    }
    return spans;
  });
}

TEST_F(WordsOracleTest, EveryCharacterIsClassifiedAsByPython) {
  const std::map<std::string, std::function<bool(char32_t)>> classes = {
      {"space", python::IsSpace}, {"decimal", python::IsDecimal},
      {"word", python::IsWord},   {"letter", python::IsWordButNoDecimal},
      {"upper", python::IsUpper}, {"lower", python::IsLower}};
  for (const auto& [name, holds] : classes) {
    std::vector<bool> expected(0x110000);
    for (const json& run : answers->at("characters").at(name)) {
      for (auto c = run.at(0).get<size_t>(); c <= run.at(1).get<size_t>(); ++c) {
        expected[c] = true;
      }
    }
    for (char32_t c = 0; c < 0x110000; ++c) {
      const bool is_surrogate = c >= 0xD800 && c < 0xE000;
      ASSERT_TRUE(is_surrogate || holds(c) == expected[c])
          << name << " of U+" << std::hex << static_cast<uint32_t>(c);
    }
  }
}

TEST_F(WordsOracleTest, LowerCaseIsPythons) {
  const json& cases = answers->at("lower");
  ASSERT_GE(cases.size(), 6000);
  for (const json& pair : cases) {
    const auto& text = pair.at(0).get_ref<const std::string&>();
    ASSERT_EQ(EncodeUtf8(python::Lower(python::Decode(text))),
              pair.at(1).get_ref<const std::string&>())
        << json(text);
  }
  // Where no lower case is listed there is none.
  size_t changed = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    const bool is_surrogate = c >= 0xD800 && c < 0xE000;
    changed += !is_surrogate && python::Lower(std::u32string(1, c)) != std::u32string(1, c) ? 1 : 0;
  }
  EXPECT_EQ(changed + 5000, cases.size());
}

}  // namespace
}  // namespace rwku::metrics
