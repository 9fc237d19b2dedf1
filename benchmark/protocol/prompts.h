// Every string that the protocol puts before a model: questions of forget level 1-3 and neighbor
// level 1-2, and the instruction of in-context unlearning. Source: the reference implementation of
// RWKU (Jin et al., 2024, arXiv 2406.10890), whose wording moves numbers and stays as it is.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/dataset/probes.h"
#include "benchmark/protocol/chat_prompt.h"

namespace rwku::protocol {

// New tokens of an answer to a question of forget level 1-3 and neighbor level 1-2.
inline constexpr int kAnswerTokens = 30;

// What stands for a blank answer when it is scored.
inline constexpr absl::string_view kNoAnswer = "NOANSWER";

// The prompt of a question; `set` must be one of the five question sets.
ChatPrompt QuestionPrompt(dataset::ProbeSet set, const dataset::Probe& probe);

// What in-context unlearning (ICU) writes before every user turn and every membership text to make
// the model act as if it did not know `subject`.
std::string IcuPrefix(absl::string_view subject);

}  // namespace rwku::protocol
