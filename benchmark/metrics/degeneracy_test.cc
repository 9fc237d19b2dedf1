#include "benchmark/metrics/degeneracy.h"

#include <string>

#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

struct Case {
  std::string name;
  std::string output;
  Degeneracy degeneracy;
};

class DegeneracyTest : public testing::TestWithParam<Case> {};

TEST_P(DegeneracyTest, IsFound) {
  EXPECT_EQ(DegeneracyName(FindDegeneracy(GetParam().output)),
            DegeneracyName(GetParam().degeneracy))
      << GetParam().output;
}

INSTANTIATE_TEST_SUITE_P(
    Outputs, DegeneracyTest,
    testing::Values(
        Case{"Empty", "", Degeneracy::kBlank},
        Case{"WhiteSpace", " \n\u00a0\u3000", Degeneracy::kBlank},
        Case{"Dots", " . . .\n", Degeneracy::kPunctuationOnly},
        Case{"Underscores", "____ ____", Degeneracy::kPunctuationOnly},
        Case{"CjkPunctuation", "\u3002\uff0c\u300c", Degeneracy::kPunctuationOnly},
        Case{"Symbols", "=== \u2500\u2500 \u2022 \ufffd", Degeneracy::kPunctuationOnly},
        Case{"OneWordOverAndOver", "King King King King", Degeneracy::kRepeatedNgram},
        Case{"CutOffWord", "King King King Ki", Degeneracy::kRepeatedNgram},
        Case{"CutOffUnit", "in the end in the end in the end in th", Degeneracy::kRepeatedNgram},
        Case{"FourWords", "a b c d a b c d a b c d", Degeneracy::kRepeatedNgram},
        Case{"Lines", "Yes.\nYes.\n\nYes.\nYes.", Degeneracy::kRepeatedNgram},
        Case{"Characters", "hahahahahaha", Degeneracy::kRepeatedNgram},
        Case{"CutOffCharacters", "StephenKingStephenKingStephenKingSte",
             Degeneracy::kRepeatedNgram},
        Case{"CjkCharacters", "我不知道我不知道我不知道我不", Degeneracy::kRepeatedNgram},
        Case{"Answer", "The Shining", Degeneracy::kNone},
        Case{"Emoji", "\U0001F60A", Degeneracy::kNone},
        Case{"EmojiOverAndOver",
             "\U0001F602\U0001F602\U0001F602 \U0001F602\U0001F602\U0001F602 "
             "\U0001F602\U0001F602\U0001F602 \U0001F602\U0001F602",
             Degeneracy::kRepeatedNgram},
        Case{"ThreeWords", "no no no", Degeneracy::kNone},
        Case{"TwoRepetitions", "in the end in the end", Degeneracy::kNone},
        Case{"ThirdRepetitionCutOff", "in the end in the end in the en", Degeneracy::kNone},
        Case{"FiveWords", "a b c d e a b c d e a b c d e", Degeneracy::kNone},
        Case{"LastWordDiffers", "King King King King Queen", Degeneracy::kNone},
        Case{"LastWordLonger", "King King King Kings", Degeneracy::kNone},
        Case{"OtherBeginning", "So King King King King King", Degeneracy::kNone},
        Case{"Case", "King king King king King King", Degeneracy::kNone},
        Case{"Year", "1111", Degeneracy::kNone}, Case{"ShortWord", "chachacha", Degeneracy::kNone},
        Case{"LongWord", "Llanfairpwllgwyngyll", Degeneracy::kNone},
        Case{"OneLetter", "... a ...", Degeneracy::kNone}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(DegeneracyNameTest, NamesEveryKind) {
  EXPECT_EQ(DegeneracyName(Degeneracy::kNone), "none");
  EXPECT_EQ(DegeneracyName(Degeneracy::kBlank), "blank");
  EXPECT_EQ(DegeneracyName(Degeneracy::kPunctuationOnly), "punctuation_only");
  EXPECT_EQ(DegeneracyName(Degeneracy::kRepeatedNgram), "repeated_ngram");
}

}  // namespace
}  // namespace rwku::metrics
