// Stored predictions for the metrics.
#pragma once

#include "absl/status/statusor.h"
#include "rwku/v1/prediction.pb.h"

#include "benchmark/evaluate/prediction.h"

namespace rwku::service {

// INVALID_ARGUMENT for a probe set or list that this version does not know.
absl::StatusOr<evaluate::Prediction> FromProto(const v1::Prediction& proto);

// Replaces the scores of `proto` by those of `prediction`.
void SetScores(const evaluate::Prediction& prediction, v1::Prediction* proto);

}  // namespace rwku::service
