#include "server/service/predictions.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "server/service/names.h"

namespace rwku::service {
namespace {

// Predictions between two looks at whether anybody still wants them.
constexpr size_t kLookEvery = 64;

// What a JobResult says about its predictions, without parsing the training curve; fields that are
// not there stay as they are.
void ReadResult(const std::string& result, JobCopy* job) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(result.data()),
                                               static_cast<int>(result.size()));
  while (const uint32_t tag = input.ReadTag()) {
    uint64_t number = 0;
    bool read = true;
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case v1::JobResult::kPredictionCountFieldNumber:
        read = input.ReadVarint64(&number);
        job->count = number <= INT32_MAX ? static_cast<size_t>(number) : 0;
        break;
      case v1::JobResult::kMetricsVersionFieldNumber:
        read = input.ReadVarint64(&number);
        job->metrics_version = number <= INT32_MAX ? static_cast<int>(number) : 0;
        break;
      case v1::JobResult::kWordTokenizerFieldNumber:
        read = WireFormatLite::ReadString(&input, &job->word_tokenizer);
        break;
      case v1::JobResult::kCollapseFieldNumber: {
        std::string why;
        read = WireFormatLite::ReadString(&input, &why);
        job->collapsed = !why.empty();
        break;
      }
      default:
        read = WireFormatLite::SkipField(&input, tag);
    }
    if (!read) {
      return;
    }
  }
}

}  // namespace

JobCopy CopyJob(const scheduler::JobRecord& job) {
  JobCopy copy{.job = job.id,
               .index = job.index,
               .fencing_token = job.fencing_token,
               .succeeded = job.state == scheduler::JobState::kSucceeded,
               .spec = job.payload,
               .word_tokenizer = {}};
  ReadResult(job.result, &copy);
  return copy;
}

PredictionSource SourceOf(const JobCopy& job, const v1::JobSpec& spec) {
  return {job.job, job.index, job.fencing_token, spec.recipe().label(), spec.seed(), job.count};
}

absl::StatusOr<PredictionParent> ParsePredictionParent(const std::string& parent) {
  if (absl::StatusOr<JobId> job = ParseJobName(parent, "parent"); job.ok()) {
    return PredictionParent{RunOf(*job), *job};
  }
  absl::StatusOr<RunId> run = ParseRunName(parent, "parent");
  if (!run.ok()) {
    return run.status();
  }
  return PredictionParent{*run, std::nullopt};
}

absl::StatusOr<std::vector<JobCopy>> CopyJobs(const coordinator::View& view,
                                              const PredictionParent& parent) {
  if (view.scheduler.FindRun(parent.run) == nullptr) {
    return RunNotFound(parent.run);
  }
  std::vector<JobCopy> jobs;
  const auto copy = [&jobs](const scheduler::JobRecord& job) {
    jobs.push_back(CopyJob(job));
    return true;
  };
  if (parent.job) {
    const scheduler::JobRecord* job = view.scheduler.FindJob(*parent.job);
    if (job == nullptr) {
      return JobNotFound(*parent.job);
    }
    copy(*job);
  } else {
    view.scheduler.VisitJobs(parent.run, 0, copy);
  }
  return jobs;
}

absl::StatusOr<PredictionFilter> ResolveFilter(const v1::PredictionFilter& wanted,
                                               const std::vector<JobCopy>& jobs) {
  FilterNames names;
  for (const JobCopy& job : jobs) {
    v1::JobSpec spec;
    if (spec.ParseFromString(job.spec)) {
      names.Add(spec);
    }
  }
  return PredictionFilter::Create(wanted, names);
}

std::vector<PredictionSource> FindSources(const std::vector<JobCopy>& jobs,
                                          const PredictionFilter& filter) {
  std::vector<PredictionSource> sources;
  for (const JobCopy& job : jobs) {
    v1::JobSpec spec;
    if (job.succeeded && spec.ParseFromString(job.spec) && filter.AdmitsJob(spec)) {
      sources.push_back(SourceOf(job, spec));
    }
  }
  return sources;
}

PredictionWalk::PredictionWalk(store::Store* store, std::vector<PredictionSource> sources,
                               PredictionFilter filter, PredictionPosition start,
                               std::function<bool()> cancelled)
    : store_(store),
      sources_(std::move(sources)),
      filter_(std::move(filter)),
      cancelled_(std::move(cancelled)) {
  while (source_ < sources_.size() &&
         static_cast<uint64_t>(sources_[source_].index) < start.index) {
    ++source_;
  }
  if (source_ < sources_.size() && static_cast<uint64_t>(sources_[source_].index) == start.index) {
    position_ = start.position;
  }
}

absl::Status PredictionWalk::Short(const PredictionSource& source) const {
  // A run that exists has events.
  const RunId run = RunOf(source.job);
  const absl::StatusOr<std::vector<store::EventRecord>> events = store_->ReadEvents(run, 0, 1);
  if (events.ok() && events->empty()) {
    return RunNotFound(run);
  }
  return absl::DataLossError(absl::StrCat(JobName(source.job), " has ", position_,
                                          " stored predictions, its result counts ", source.count));
}

absl::Status PredictionWalk::Next(const Visitor& visit) {
  bool taken = true;
  while (taken && !done()) {
    const PredictionSource& source = sources_[source_];
    absl::Status trouble;
    const absl::Status read = store_->ReadPredictions(
        source.job, source.fencing_token, position_, [&](size_t position, absl::string_view bytes) {
          if (position % kLookEvery == 0 && cancelled_ && cancelled_()) {
            trouble = absl::CancelledError("the call was cancelled");
            return false;
          }
          v1::Prediction prediction;
          if (!prediction.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
            trouble = absl::DataLossError(absl::StrCat("prediction ", position, " of ",
                                                       JobName(source.job), " cannot be read"));
            return false;
          }
          position_ = position;
          taken = !filter_.Admits(prediction) || visit(source, std::move(prediction));
          position_ += taken ? 1 : 0;
          return taken;
        });
    if (!read.ok() || !trouble.ok()) {
      return read.ok() ? trouble : read;
    }
    if (taken) {
      if (position_ < source.count) {
        return Short(source);
      }
      ++source_;
      position_ = 0;
    }
  }
  return absl::OkStatus();
}

PredictionPosition PredictionWalk::position() const {
  if (done()) {
    return {};
  }
  return {static_cast<uint64_t>(sources_[source_].index), position_};
}

}  // namespace rwku::service
