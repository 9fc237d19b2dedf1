#include "server/service/rescore.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "rwku/v1/worker.pb.h"

#include "base/digest.h"
#include "base/status_macros.h"
#include "benchmark/evaluate/score_prediction.h"
#include "benchmark/evaluate/words.h"
#include "benchmark/methods/registry.h"
#include "benchmark/protocol/prompts.h"
#include "server/service/corpus_plan.h"
#include "server/service/names.h"
#include "server/service/prediction_convert.h"

namespace rwku::service {
namespace {

// As large as a worker may send them.
constexpr size_t kChunkPredictions = 256;
constexpr size_t kChunkBytes = size_t{1} << 20U;

// Packs predictions into the chunks of an attempt.
class ChunkPacker {
 public:
  ChunkPacker(JobId job, uint64_t fencing_token)
      : job_(std::move(job)), fencing_token_(fencing_token) {}

  void Add(std::string prediction) {
    if (chunks_.empty() || chunks_.back().predictions.size() == kChunkPredictions ||
        bytes_ + prediction.size() > kChunkBytes) {
      chunks_.push_back({job_, fencing_token_, static_cast<int>(chunks_.size()), {}});
      bytes_ = 0;
    }
    bytes_ += prediction.size();
    chunks_.back().predictions.push_back(std::move(prediction));
  }

  std::vector<store::PredictionChunk> Take() { return std::move(chunks_); }

 private:
  const JobId job_;
  const uint64_t fencing_token_;
  std::vector<store::PredictionChunk> chunks_;
  size_t bytes_ = 0;  // of the newest chunk
};

// The result that the job has now. FAILED_PRECONDITION if another attempt has made it meanwhile.
absl::StatusOr<v1::JobResult> ResultOf(coordinator::Coordinator* coordinator, const JobCopy& job) {
  struct Answer {
    absl::Notification done;
    absl::StatusOr<v1::JobResult> result = absl::UnknownError("not read");
  };
  const auto answer = std::make_shared<Answer>();
  coordinator->Read(
      [answer, &job](const coordinator::View& view) -> std::function<void()> {
        const scheduler::JobRecord* record = view.scheduler.FindJob(job.job);
        v1::JobResult result;
        if (record == nullptr) {
          answer->result = JobNotFound(job.job);
        } else if (record->state != scheduler::JobState::kSucceeded ||
                   record->fencing_token != job.fencing_token) {
          answer->result = absl::FailedPreconditionError(
              absl::StrCat(JobName(job.job), " was tried again meanwhile; rescore the run again"));
        } else if (!result.ParseFromString(record->result)) {
          answer->result = absl::DataLossError(
              absl::StrCat("the stored result of ", JobName(job.job), " is unreadable"));
        } else {
          answer->result = std::move(result);
        }
        return [answer] { answer->done.Notify(); };
      },
      [answer](const absl::Status& status) {
        answer->result = status;
        answer->done.Notify();
      });
  answer->done.WaitForNotification();
  return answer->result;
}

// Has the new result stored and waits until it is.
absl::Status Replace(coordinator::Coordinator* coordinator, const scheduler::ResultReplaced& event,
                     std::vector<store::PredictionChunk> chunks) {
  absl::Notification done;
  absl::Status answer;
  coordinator->ReplaceResult(event, std::move(chunks), [&](const absl::Status& status) {
    answer = status;
    done.Notify();
  });
  done.WaitForNotification();
  return answer;
}

class Rescorer {
 public:
  Rescorer(coordinator::Coordinator* coordinator, store::Store* store, const Catalog& catalog)
      : coordinator_(coordinator), store_(store), catalog_(catalog) {}

  // Whether anything changed.
  absl::StatusOr<bool> Rescore(const JobCopy& job) {
    v1::JobSpec spec;
    if (!spec.ParseFromString(job.spec)) {
      return absl::DataLossError(
          absl::StrCat("the stored spec of ", JobName(job.job), " is unreadable"));
    }
    RWKU_ASSIGN_OR_RETURN(v1::JobResult result, ResultOf(coordinator_, job));
    RWKU_ASSIGN_OR_RETURN(const Context context, ContextOf(spec));
    ChunkPacker packer(job.job, job.fencing_token);
    Sha256 digest;
    size_t count = 0;
    bool changed = false;
    absl::Status trouble;
    RWKU_RETURN_IF_ERROR(store_->ReadPredictions(
        job.job, job.fencing_token, 0, [&](size_t position, absl::string_view bytes) {
          absl::StatusOr<std::string> scored = ScoredAnew(context, bytes);
          if (!scored.ok()) {
            trouble = absl::Status(scored.status().code(),
                                   absl::StrCat("prediction ", position, " of ", JobName(job.job),
                                                ": ", scored.status().message()));
            return false;
          }
          ++count;
          changed = changed || *scored != bytes;
          digest.Update(*scored);
          packer.Add(*std::move(scored));
          return true;
        }));
    RWKU_RETURN_IF_ERROR(trouble);
    if (static_cast<int64_t>(count) != result.prediction_count()) {
      return absl::DataLossError(absl::StrCat(JobName(job.job), " has ", count,
                                              " stored predictions, its result counts ",
                                              result.prediction_count()));
    }
    predictions_ += static_cast<int64_t>(count);
    const std::string words(context.words->name());
    if (!changed && result.metrics_version() == evaluate::kMetricsVersion &&
        result.word_tokenizer() == words) {
      return false;
    }
    result.set_metrics_version(evaluate::kMetricsVersion);
    result.set_word_tokenizer(words);
    result.set_predictions_digest(digest.HexDigest());
    RWKU_RETURN_IF_ERROR(Replace(
        coordinator_, {job.job, job.fencing_token, result.SerializeAsString()}, packer.Take()));
    return true;
  }

  int64_t predictions() const { return predictions_; }

 private:
  struct Context {
    const metrics::WordTokenizer* words = nullptr;
    bool icu = false;  // whether texts were read behind the prefix for their target
  };

  absl::StatusOr<Context> ContextOf(const v1::JobSpec& spec) {
    if (words_ == nullptr) {  // a run has one dataset
      RWKU_ASSIGN_OR_RETURN(const auto data, catalog_.FindDataset(spec.dataset()));
      RWKU_ASSIGN_OR_RETURN(metrics::WordTokenizer words,
                            evaluate::LoadWordTokenizer(data->root()));
      words_ = std::make_unique<metrics::WordTokenizer>(std::move(words));
    }
    RWKU_ASSIGN_OR_RETURN(const methods::MethodInfo method,
                          methods::FindMethod(spec.recipe().method(), ""));
    return Context{words_.get(), method.uses_icu_prefix};
  }

  static absl::StatusOr<std::string> ScoredAnew(const Context& context, absl::string_view bytes) {
    v1::Prediction proto;
    if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError("it cannot be read");
    }
    RWKU_ASSIGN_OR_RETURN(evaluate::Prediction prediction, FromProto(proto));
    const evaluate::ScoringContext scoring{
        context.words, context.icu ? protocol::IcuPrefix(prediction.target) : ""};
    RWKU_RETURN_IF_ERROR(evaluate::ScorePrediction(scoring, &prediction));
    SetScores(prediction, &proto);
    return proto.SerializeAsString();
  }

  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  const Catalog& catalog_;
  std::unique_ptr<metrics::WordTokenizer> words_;
  int64_t predictions_ = 0;
};

}  // namespace

absl::StatusOr<RescoreTally> RescoreRun(coordinator::Coordinator* coordinator, store::Store* store,
                                        const Catalog& catalog, const RunCopy& run,
                                        const std::function<bool()>& cancelled) {
  v1::RunSpec spec;
  if (!spec.ParseFromString(run.spec)) {
    return absl::DataLossError(
        absl::StrCat("the stored spec of ", RunName(run.run), " is unreadable"));
  }
  RWKU_RETURN_IF_ERROR(RefuseCorpusRun(spec, run.run, "compute anew"));
  Rescorer rescorer(coordinator, store, catalog);
  RescoreTally tally;
  for (const JobCopy& job : run.jobs) {
    if (!job.succeeded) {
      continue;
    }
    if (cancelled()) {
      return absl::CancelledError("the call was cancelled");
    }
    RWKU_ASSIGN_OR_RETURN(const bool changed, rescorer.Rescore(job));
    ++(changed ? tally.jobs_changed : tally.jobs_unchanged);
  }
  tally.predictions = rescorer.predictions();
  return tally;
}

}  // namespace rwku::service
