// What every Store promises, run on each of them.
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/mem_store.h"
#include "server/store/rocks_store.h"
#include "server/store/store.h"

namespace rwku::store {
namespace {

using scheduler::EraseAttempt;
using scheduler::EraseRun;
using scheduler::JobRecord;
using scheduler::PutJob;
using scheduler::PutRun;
using scheduler::RunRecord;
using testing::ElementsAre;
using testing::IsEmpty;

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<Store>(const std::filesystem::path& folder)> make;
};

std::unique_ptr<Store> MakeRocks(const std::filesystem::path& folder) {
  RocksStoreOptions options;
  options.folder = folder;
  auto store = RocksStore::Open(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? std::move(*store) : nullptr;
}

class StoreContract : public testing::TestWithParam<StoreKind> {
 protected:
  StoreContract() {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ =
        std::filesystem::path(testing::TempDir()) /
        absl::StrCat("store_contract_", getpid(), ".", absl::StrReplaceAll(name, {{"/", "_"}}));
    std::filesystem::remove_all(folder_);
    store_ = GetParam().make(folder_);
  }
  ~StoreContract() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  static RunRecord MakeRun(const std::string& id, uint64_t revision) {
    RunRecord run;
    run.id = RunId(id);
    run.payload = std::string("a\0b", 3);
    run.request_id = "q" + id;
    run.request_digest = "d";
    run.priority = -3;
    run.max_failures = 7;
    run.ranks = 2;
    run.state = scheduler::RunState::kFailed;
    run.create_time = absl::FromUnixNanos(1'700'000'000'123'456'789);
    run.end_time = absl::FromUnixNanos(1'700'000'001'000'000'001);
    run.sequence = 12;
    run.revision = revision;
    return run;
  }
  static JobRecord MakeJob(const std::string& run, int index, uint64_t revision) {
    JobRecord job;
    job.id = JobId(absl::StrCat(run, "/", index));
    job.run = RunId(run);
    job.index = index;
    job.payload = "spec";
    job.model = "m";
    job.state = scheduler::JobState::kSucceeded;
    job.fencing_token = 4;
    job.attempts = 4;
    job.failures = 1;
    job.resource_failures = 2;
    job.lost_attempts = 3;
    job.worker = WorkerId("w");
    job.gang = {WorkerId("w"), WorkerId("v")};
    job.not_before = absl::FromUnixSeconds(1'700'000'002);
    job.avoid = {WorkerId("x"), WorkerId("y")};
    job.last_failure =
        scheduler::Failure{scheduler::FailureClass::kResource, "oom", WorkerId("x"), 3};
    job.result = std::string("r\0s", 3);
    job.create_time = absl::FromUnixSeconds(1'700'000'000);
    job.start_time = absl::FromUnixSeconds(1'700'000'003);
    job.end_time = absl::FromUnixSeconds(1'700'000'004);
    job.revision = revision;
    return job;
  }
  absl::Status Put(const std::string& run, int jobs, uint64_t revision) {
    Batch batch;
    for (int i = 0; i < jobs; ++i) {
      batch.changes.emplace_back(PutJob{MakeJob(run, i, revision++)});
    }
    batch.changes.emplace_back(PutRun{MakeRun(run, revision)});
    return store_->Commit({batch});
  }
  absl::Status PutChunk(const std::string& job, uint64_t token, int sequence,
                        std::vector<std::string> predictions) {
    Batch batch;
    batch.chunks.push_back(PredictionChunk{JobId(job), token, sequence, std::move(predictions)});
    return store_->Commit({batch});
  }
  std::vector<std::string> Predictions(const std::string& job, uint64_t token, size_t first = 0,
                                       size_t limit = 1000) {
    std::vector<std::string> out;
    EXPECT_TRUE(store_
                    ->ReadPredictions(JobId(job), token, first,
                                      [&](size_t position, absl::string_view prediction) {
                                        out.push_back(
                                            absl::StrCat(position, ":", std::string(prediction)));
                                        return out.size() < limit;
                                      })
                    .ok());
    return out;
  }
  std::vector<uint64_t> Revisions(const std::string& run, uint64_t after, size_t limit = 1000) {
    std::vector<uint64_t> out;
    const auto events = store_->ReadEvents(RunId(run), after, limit);
    EXPECT_TRUE(events.ok()) << events.status();
    for (const EventRecord& event : *events) {
      EXPECT_NE(event.run_record.has_value(), event.job_record.has_value());
      EXPECT_EQ(event.run, RunId(run));
      out.push_back(event.revision);
    }
    return out;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, AnEmptyStoreLoadsAsNothing) {
  const auto state = store_->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_THAT(state->runs, IsEmpty());
  EXPECT_THAT(state->jobs, IsEmpty());
  EXPECT_EQ(state->revision, 0u);
}

TEST_P(StoreContract, EveryFieldOfARunComesBack) {
  ASSERT_TRUE(Put("r", 0, 9).ok());
  const auto state = store_->Load();
  ASSERT_EQ(state->runs.size(), 1u);
  const RunRecord& run = state->runs[0];
  const RunRecord expected = MakeRun("r", 9);
  EXPECT_EQ(run.id, expected.id);
  EXPECT_EQ(run.payload, expected.payload);
  EXPECT_EQ(run.request_id, expected.request_id);
  EXPECT_EQ(run.request_digest, expected.request_digest);
  EXPECT_EQ(run.priority, expected.priority);
  EXPECT_EQ(run.max_failures, expected.max_failures);
  EXPECT_EQ(run.ranks, expected.ranks);
  EXPECT_EQ(run.state, expected.state);
  EXPECT_EQ(run.create_time, expected.create_time);
  EXPECT_EQ(run.end_time, expected.end_time);
  EXPECT_EQ(run.sequence, expected.sequence);
  EXPECT_EQ(run.revision, expected.revision);
  EXPECT_EQ(state->revision, 9u);
}

TEST_P(StoreContract, EveryFieldOfAJobComesBack) {
  ASSERT_TRUE(Put("r", 1, 5).ok());
  const auto state = store_->Load();
  ASSERT_EQ(state->jobs.size(), 1u);
  const JobRecord& job = state->jobs[0];
  const JobRecord expected = MakeJob("r", 0, 5);
  EXPECT_EQ(job.id, expected.id);
  EXPECT_EQ(job.run, expected.run);
  EXPECT_EQ(job.index, expected.index);
  EXPECT_EQ(job.payload, expected.payload);
  EXPECT_EQ(job.model, expected.model);
  EXPECT_EQ(job.state, expected.state);
  EXPECT_EQ(job.fencing_token, expected.fencing_token);
  EXPECT_EQ(job.attempts, expected.attempts);
  EXPECT_EQ(job.failures, expected.failures);
  EXPECT_EQ(job.resource_failures, expected.resource_failures);
  EXPECT_EQ(job.lost_attempts, expected.lost_attempts);
  EXPECT_EQ(job.worker, expected.worker);
  EXPECT_EQ(job.gang, expected.gang);
  EXPECT_EQ(job.not_before, expected.not_before);
  EXPECT_EQ(job.avoid, expected.avoid);
  ASSERT_TRUE(job.last_failure.has_value());
  EXPECT_EQ(job.last_failure->failure_class, expected.last_failure->failure_class);
  EXPECT_EQ(job.last_failure->message, expected.last_failure->message);
  EXPECT_EQ(job.last_failure->worker, expected.last_failure->worker);
  EXPECT_EQ(job.last_failure->fencing_token, expected.last_failure->fencing_token);
  EXPECT_EQ(job.result, expected.result);
  EXPECT_EQ(job.create_time, expected.create_time);
  EXPECT_EQ(job.start_time, expected.start_time);
  EXPECT_EQ(job.end_time, expected.end_time);
  EXPECT_EQ(job.revision, expected.revision);
}

TEST_P(StoreContract, JobsComeBackInTheOrderOfTheirIndex) {
  ASSERT_TRUE(Put("r", 300, 1).ok());
  const auto state = store_->Load();
  ASSERT_EQ(state->jobs.size(), 300u);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(state->jobs[static_cast<size_t>(i)].index, i);
  }
}

TEST_P(StoreContract, TheLastOfSeveralBatchesWins) {
  Batch first;
  first.changes.emplace_back(PutRun{MakeRun("r", 1)});
  Batch second;
  second.changes.emplace_back(PutRun{MakeRun("r", 2)});
  ASSERT_TRUE(store_->Commit({first, second}).ok());
  EXPECT_EQ(store_->Load()->runs.at(0).revision, 2u);
  EXPECT_THAT(Revisions("r", 0), ElementsAre(1, 2));
}

TEST_P(StoreContract, EventsAreReadAfterARevisionUpToALimit) {
  ASSERT_TRUE(Put("r", 4, 250).ok());  // crosses the boundary of a byte
  ASSERT_TRUE(Put("r2", 1, 300).ok());
  EXPECT_THAT(Revisions("r", 0), ElementsAre(250, 251, 252, 253, 254));
  EXPECT_THAT(Revisions("r", 252), ElementsAre(253, 254));
  EXPECT_THAT(Revisions("r", 0, 2), ElementsAre(250, 251));
  EXPECT_THAT(Revisions("r", 254), IsEmpty());
  EXPECT_THAT(Revisions("r", UINT64_MAX), IsEmpty());
  EXPECT_THAT(Revisions("x", 0), IsEmpty());
}

TEST_P(StoreContract, PredictionsAreReadInOrderFromAPosition) {
  ASSERT_TRUE(PutChunk("r/0", 1, 0, {"a", "b"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 1, 1, {"c"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 2, 0, {"z"}).ok());
  EXPECT_THAT(Predictions("r/0", 1), ElementsAre("0:a", "1:b", "2:c"));
  EXPECT_THAT(Predictions("r/0", 1, 1), ElementsAre("1:b", "2:c"));
  EXPECT_THAT(Predictions("r/0", 1, 0, 2), ElementsAre("0:a", "1:b"));
  EXPECT_THAT(Predictions("r/0", 2), ElementsAre("0:z"));
  EXPECT_THAT(Predictions("r/0", 3), IsEmpty());
}

TEST_P(StoreContract, OnlyChunksWithoutAGapCount) {
  ASSERT_TRUE(PutChunk("r/0", 1, 0, {"a"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 1, 2, {"c"}).ok());
  EXPECT_EQ(*store_->CountChunks(JobId("r/0"), 1), 1);
  EXPECT_THAT(Predictions("r/0", 1), ElementsAre("0:a"));
  ASSERT_TRUE(PutChunk("r/0", 1, 1, {"b"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 1, 1, {"b"}).ok());  // sent again
  EXPECT_EQ(*store_->CountChunks(JobId("r/0"), 1), 3);
  EXPECT_THAT(Predictions("r/0", 1), ElementsAre("0:a", "1:b", "2:c"));
  EXPECT_EQ(*store_->CountChunks(JobId("r/0"), 2), 0);
}

TEST_P(StoreContract, ErasingAnAttemptErasesItsChunksOnly) {
  ASSERT_TRUE(PutChunk("r/0", 1, 0, {"a"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 2, 0, {"b"}).ok());
  ASSERT_TRUE(PutChunk("r/01", 1, 0, {"c"}).ok());
  Batch batch;
  batch.changes.emplace_back(EraseAttempt{JobId("r/0"), 1});
  ASSERT_TRUE(store_->Commit({batch}).ok());
  EXPECT_THAT(Predictions("r/0", 1), IsEmpty());
  EXPECT_THAT(Predictions("r/0", 2), ElementsAre("0:b"));
  EXPECT_THAT(Predictions("r/01", 1), ElementsAre("0:c"));
}

TEST_P(StoreContract, ChunksOfABatchComeAfterItsChangesSoThatOneBatchReplacesThem) {
  ASSERT_TRUE(PutChunk("r/0", 1, 0, {"a", "b"}).ok());
  ASSERT_TRUE(PutChunk("r/0", 1, 1, {"c"}).ok());
  Batch batch;
  batch.changes.emplace_back(EraseAttempt{JobId("r/0"), 1});
  batch.chunks.push_back({JobId("r/0"), 1, 0, {"A", "B", "C"}});
  ASSERT_TRUE(store_->Commit({batch}).ok());
  EXPECT_THAT(Predictions("r/0", 1), ElementsAre("0:A", "1:B", "2:C"));
  EXPECT_EQ(*store_->CountChunks(JobId("r/0"), 1), 1);
}

TEST_P(StoreContract, ErasingARunErasesAllOfItAndNothingElseAndKeepsTheRevision) {
  ASSERT_TRUE(Put("r", 2, 1).ok());
  ASSERT_TRUE(Put("r1", 1, 10).ok());
  ASSERT_TRUE(Put("last", 1, 20).ok());
  ASSERT_TRUE(PutChunk("r/0", 1, 0, {"a"}).ok());
  ASSERT_TRUE(PutChunk("r1/0", 1, 0, {"b"}).ok());
  Batch batch;
  batch.changes.emplace_back(EraseRun{RunId("r")});
  batch.changes.emplace_back(EraseRun{RunId("last")});
  ASSERT_TRUE(store_->Commit({batch}).ok());
  const auto state = store_->Load();
  ASSERT_EQ(state->runs.size(), 1u);
  EXPECT_EQ(state->runs[0].id, RunId("r1"));
  ASSERT_EQ(state->jobs.size(), 1u);
  EXPECT_EQ(state->revision, 21u);  // numbers of erased runs are never given again
  EXPECT_THAT(Revisions("r", 0), IsEmpty());
  EXPECT_THAT(Revisions("r1", 0), ElementsAre(10, 11));
  EXPECT_THAT(Predictions("r/0", 1), IsEmpty());
  EXPECT_THAT(Predictions("r1/0", 1), ElementsAre("0:b"));
}

TEST_P(StoreContract, IdsThatTheKeysCannotHoldAreRefusedAndNothingIsWritten) {
  for (const std::string& id : {std::string(), std::string("a/b"), std::string("a\0b", 3)}) {
    Batch good;
    good.changes.emplace_back(PutRun{MakeRun("good", 1)});
    Batch bad;
    bad.changes.emplace_back(PutRun{MakeRun(id, 2)});
    EXPECT_EQ(store_->Commit({good, bad}).code(), absl::StatusCode::kInvalidArgument) << id;
  }
  JobRecord foreign = MakeJob("r", 0, 1);
  foreign.id = JobId("s/0");
  Batch batch;
  batch.changes.emplace_back(PutJob{foreign});
  EXPECT_EQ(store_->Commit({batch}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(store_->Load()->runs, IsEmpty());
}

TEST_P(StoreContract, AnEmptyCommitIsFine) {
  EXPECT_TRUE(store_->Commit({}).ok());
  EXPECT_TRUE(store_->Commit({Batch()}).ok());
}

INSTANTIATE_TEST_SUITE_P(All, StoreContract,
                         testing::Values(StoreKind{"MemStore",
                                                   [](const std::filesystem::path& /*folder*/) {
                                                     return std::make_unique<MemStore>();
                                                   }},
                                         StoreKind{"RocksStore", MakeRocks}),
                         [](const testing::TestParamInfo<StoreKind>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace rwku::store
