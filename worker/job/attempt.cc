#include "worker/job/attempt.h"

#include "base/check.h"

namespace rwku::job {

absl::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kLoad:
      return "load";
    case Stage::kCorpus:
      return "corpus";
    case Stage::kUnlearn:
      return "unlearn";
    case Stage::kEvaluate:
      return "evaluate";
    case Stage::kCommit:
      return "commit";
  }
  CheckFailed(__FILE__, __LINE__, "stage is one of the enum's");
}

FailureClass Classify(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kResourceExhausted:
      return FailureClass::kResource;
    case absl::StatusCode::kDataLoss:
      return FailureClass::kNumeric;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return FailureClass::kInput;
    case absl::StatusCode::kUnavailable:
      return FailureClass::kInfrastructure;
    default:
      return FailureClass::kInternal;
  }
}

}  // namespace rwku::job
