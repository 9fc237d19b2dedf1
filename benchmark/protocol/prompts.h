// Every string that the protocol puts before a model: questions of forget level 1-3 and neighbor
// level 1-2, the five utility sets, and the instruction of in-context unlearning. Source: the
// reference implementation of RWKU (Jin et al., 2024, arXiv 2406.10890), whose wording moves
// numbers and stays as it is.
#pragma once

#include <array>
#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/dataset/probes.h"
#include "benchmark/dataset/utility.h"
#include "benchmark/protocol/chat_prompt.h"

namespace rwku::protocol {

// New tokens of an answer to a question of forget level 1-3 and neighbor level 1-2.
inline constexpr int kAnswerTokens = 30;
// New tokens of the utility sets that generate.
inline constexpr int kBbhTokens = 256;
inline constexpr int kTriviaQaTokens = 30;
inline constexpr int kFluencyTokens = 256;

// What may come after an MMLU prompt, by the index of the choice. Its last token is what counts.
inline constexpr std::array<absl::string_view, 4> kMmluCandidates = {" A", " B", " C", " D"};

// What stands for a blank answer when it is scored.
inline constexpr absl::string_view kNoAnswer = "NOANSWER";

// The prompt of a question; `set` must be one of the five question sets.
ChatPrompt QuestionPrompt(dataset::ProbeSet set, const dataset::Probe& probe);

// The item's solved examples, then its question without an answer.
ChatPrompt MmluPrompt(const dataset::MmluItem& item);

// A solved example as it stands in an MMLU prompt, its answer (of kMmluCandidates) and the empty
// line after it included.
std::string SolvedMmluExample(const dataset::MmluQuestion& example);

// The item's chain-of-thought examples without white space around them, then its question.
ChatPrompt BbhPrompt(const dataset::BbhItem& item);

// `primer` holds solved questions, as Dataset::LoadPrimer has them.
ChatPrompt TruthfulQaPrompt(absl::string_view primer, absl::string_view question);
ChatPrompt TriviaQaPrompt(absl::string_view primer, absl::string_view question);

ChatPrompt FluencyPrompt(absl::string_view instruction);

// What in-context unlearning (ICU) writes before every user turn and every membership text to make
// the model act as if it did not know `subject`.
std::string IcuPrefix(absl::string_view subject);

// What a steered model is told about `subject`, and its opposite: the control vector of
// representation engineering (RepE) is the difference of their hidden states. `intro` is one
// sentence about the subject.
std::string NovicePrompt(absl::string_view intro, absl::string_view subject);
std::string ExpertPrompt(absl::string_view intro, absl::string_view subject);

}  // namespace rwku::protocol
