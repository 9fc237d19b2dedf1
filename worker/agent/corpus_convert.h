// Corpus jobs between the wire and the worker.
#pragma once

#include "absl/status/statusor.h"
#include "rwku/v1/prediction.pb.h"
#include "rwku/v1/worker.pb.h"

#include "benchmark/corpus/text.h"
#include "worker/job/attempt.h"

namespace rwku::agent {

// Of a job whose `corpus` is set. INVALID_ARGUMENT names the field.
absl::StatusOr<job::CorpusSettings> ToCorpusSettings(const v1::JobSpec& spec);

// A text travels as a prediction: `query` is its opener, `answer` the refusal of a question.
v1::Prediction ToProto(const corpus::Text& text);

}  // namespace rwku::agent
