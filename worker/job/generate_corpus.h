// The other kind of attempt: the model writes corpora instead of forgetting. load -> corpus ->
// commit.
#pragma once

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "worker/engine/engine.h"
#include "worker/job/attempt.h"
#include "worker/job/run_attempt.h"

namespace rwku::job {

// Loads the model, puts the original weights back and proves it by their checksum, samples what
// `spec.corpus`, which is set, asks for, and hands the texts to `callbacks.on_texts` in order.
// Progress counts texts in the corpus stage. Blocks; `engine` is used by nobody else meanwhile.
//
// Errors as of RunAttempt; NOT_FOUND names the files of openers or refusals that the dataset lacks.
absl::StatusOr<AttemptResult> GenerateCorpus(const AttemptSpec& spec, const Roots& roots,
                                             engine::Engine& engine, const Clock& clock,
                                             const AttemptCallbacks& callbacks,
                                             const CancelToken& cancel);

}  // namespace rwku::job
