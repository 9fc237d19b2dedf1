#include "benchmark/dataset/probes.h"

#include <climits>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/dataset/probe_type.h"
#include "benchmark/dataset/record.h"

namespace rwku::dataset {
namespace {

bool IsNeighborSet(ProbeSet set) {
  return set == ProbeSet::kNeighborLevel1 || set == ProbeSet::kNeighborLevel2;
}

absl::string_view LevelOf(ProbeSet set) {
  switch (set) {
    case ProbeSet::kForgetLevel1:
    case ProbeSet::kNeighborLevel1:
      return "1";
    case ProbeSet::kForgetLevel2:
    case ProbeSet::kNeighborLevel2:
      return "2";
    case ProbeSet::kForgetLevel3:
      return "3";
    default:
      CheckFailed(__FILE__, __LINE__, "a set of questions");
  }
}

}  // namespace

bool IsQuestionSet(ProbeSet set) {
  return set == ProbeSet::kForgetLevel1 || set == ProbeSet::kForgetLevel2 ||
         set == ProbeSet::kForgetLevel3 || IsNeighborSet(set);
}

bool IsMiaSet(ProbeSet set) { return set == ProbeSet::kForgetMia || set == ProbeSet::kRetainMia; }

absl::StatusOr<Probe> ParseProbe(const Record& record, ProbeSet set) {
  Probe probe;
  RWKU_ASSIGN_OR_RETURN(probe.subject, record.Text("subject"));
  RWKU_ASSIGN_OR_RETURN(probe.query, record.Text("query"));
  RWKU_ASSIGN_OR_RETURN(probe.answer, record.Text("answer"));
  RWKU_ASSIGN_OR_RETURN(const std::string type, record.Text("type"));
  probe.type = CanonicalProbeType(type);
  RWKU_ASSIGN_OR_RETURN(const std::string level, record.Text("level"));
  if (level != LevelOf(set)) {
    return record.Error("level",
                        absl::StrCat("found \"", level, "\", expected \"", LevelOf(set), "\""));
  }
  if (IsNeighborSet(set)) {
    RWKU_ASSIGN_OR_RETURN(probe.neighbor, record.Text("neighbor"));
  }
  return probe;
}

absl::StatusOr<MiaText> ParseMiaText(const Record& record) {
  MiaText text;
  RWKU_ASSIGN_OR_RETURN(text.subject, record.Text("subject"));
  RWKU_ASSIGN_OR_RETURN(text.text, record.Text("text"));
  if (record.Has("ngram")) {  // read by nothing, and still never something else than a count
    RWKU_RETURN_IF_ERROR(record.Integer("ngram", 0, INT_MAX).status());
  }
  return text;
}

}  // namespace rwku::dataset
