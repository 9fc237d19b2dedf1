// Whether a model still answers: what stops a training that has destroyed it.
#pragma once

#include <string>

#include "absl/types/span.h"

#include "benchmark/evaluate/prediction.h"

namespace rwku::job {

// Share of degenerate outputs from which on a model counts as collapsed.
inline constexpr double kCollapseShare = 0.5;

// Why the model that made `predictions` has collapsed: a sentence with the figures; empty if it has
// not. Looked at are the outputs of the neighbor sets, which unlearning should leave as they are;
// where none was evaluated, those of the forget sets; where neither was, nothing has collapsed. The
// model has if at least kCollapseShare of the outputs are degenerate (metrics::FindDegeneracy).
std::string FindCollapse(absl::Span<const evaluate::Prediction> predictions);

}  // namespace rwku::job
