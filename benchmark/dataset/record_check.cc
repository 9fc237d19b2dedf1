#include "benchmark/dataset/record_check.h"

#include <string>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/dataset/probes.h"
#include "benchmark/dataset/record.h"
#include "benchmark/dataset/utility.h"

namespace rwku::dataset {

absl::Status CheckProbeRecord(ProbeSet set, absl::string_view text, absl::string_view subject,
                              absl::string_view name) {
  RWKU_ASSIGN_OR_RETURN(const nlohmann::json object, ParseObject(text, name));
  const Record record(object, std::string(name));
  RWKU_ASSIGN_OR_RETURN(const std::string found, record.Text("subject"));
  if (found != subject) {
    return record.Error("subject",
                        absl::StrCat("found \"", found, "\", expected \"", subject, "\""));
  }
  switch (set) {
    case ProbeSet::kForgetLevel1:
    case ProbeSet::kForgetLevel2:
    case ProbeSet::kForgetLevel3:
    case ProbeSet::kNeighborLevel1:
    case ProbeSet::kNeighborLevel2:
      return ParseProbe(record, set).status();
    case ProbeSet::kForgetMia:
    case ProbeSet::kRetainMia:
      return ParseMiaText(record).status();
    case ProbeSet::kMmlu:
      return ParseMmlu(record).status();
    case ProbeSet::kBbh:
      return ParseBbh(record).status();
    case ProbeSet::kTruthfulQa:
      return ParseTruthful(record).status();
    case ProbeSet::kTriviaQa:
      return ParseTrivia(record).status();
    case ProbeSet::kFluency:
      return ParseFluency(record).status();
  }
  CheckFailed(__FILE__, __LINE__, "a value of ProbeSet");
}

}  // namespace rwku::dataset
