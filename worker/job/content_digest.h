// Digests by which ranks of a gang know that they work on the same.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"

#include "benchmark/evaluate/language_model.h"
#include "worker/engine/engine.h"

namespace rwku::job {

// Of everything in the plans that comes from a dataset: texts, chats, pairs and retain texts.
std::string DigestOf(const std::vector<engine::TrainingPlan>& plans);

// Of all that a request says.
std::string DigestOf(absl::Span<const evaluate::GenerateRequest> requests);
std::string DigestOf(absl::Span<const evaluate::SampleRequest> requests);
std::string DigestOf(absl::Span<const evaluate::ContinuationRequest> requests);
std::string DigestOf(absl::Span<const evaluate::NextTokenRequest> requests);
std::string DigestOf(absl::Span<const std::string> texts);

}  // namespace rwku::job
