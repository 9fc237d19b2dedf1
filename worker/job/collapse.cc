#include "worker/job/collapse.h"

#include "absl/strings/str_format.h"

#include "benchmark/dataset/probe_set.h"
#include "benchmark/dataset/probes.h"
#include "benchmark/metrics/degeneracy.h"

namespace rwku::job {
namespace {

struct Tally {
  int outputs = 0;
  int degenerate = 0;

  void Add(const evaluate::Prediction& prediction) {
    ++outputs;
    degenerate += metrics::FindDegeneracy(prediction.output) == metrics::Degeneracy::kNone ? 0 : 1;
  }
};

bool IsNeighborSet(dataset::ProbeSet set) {
  return set == dataset::ProbeSet::kNeighborLevel1 || set == dataset::ProbeSet::kNeighborLevel2;
}

}  // namespace

std::string FindCollapse(absl::Span<const evaluate::Prediction> predictions) {
  Tally neighbor;
  Tally forget;
  for (const evaluate::Prediction& prediction : predictions) {
    if (IsNeighborSet(prediction.probe_set)) {
      neighbor.Add(prediction);
    } else if (dataset::IsQuestionSet(prediction.probe_set)) {
      forget.Add(prediction);
    }
  }
  const Tally& tally = neighbor.outputs > 0 ? neighbor : forget;
  if (tally.outputs == 0 || tally.degenerate < kCollapseShare * tally.outputs) {
    return "";
  }
  return absl::StrFormat(
      "%d of %d answers to %s probes are blank, punctuation only or one phrase repeated; %.0f %% "
      "are a collapse",
      tally.degenerate, tally.outputs, neighbor.outputs > 0 ? "neighbor" : "forget",
      100 * kCollapseShare);
}

}  // namespace rwku::job
