#include "server/service/prediction_filter.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/channel.h"
#include "net/status.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::JobSpec Job(const std::string& target, int number) {
  v1::JobSpec job;
  job.set_target(target);
  job.set_target_number(number);
  job.mutable_recipe()->set_label("ga-lora");
  job.add_probe_sets("forget_level1");
  job.add_probe_sets("forget_mia");
  return job;
}

const std::vector<v1::JobSpec>& Jobs() {
  static const auto* const kJobs =
      new std::vector<v1::JobSpec>{Job("Ada Stone", 1), Job("Bo Reed", 2), Job("Cy Moon", 12)};
  return *kJobs;
}

absl::StatusOr<PredictionFilter> Create(const v1::PredictionFilter& wanted) {
  FilterNames names;
  for (const v1::JobSpec& job : Jobs()) {
    names.Add(job);
  }
  return PredictionFilter::Create(wanted, names);
}

// Names of the jobs' targets that pass.
std::vector<std::string> Targets(const std::vector<std::string>& selectors) {
  v1::PredictionFilter wanted;
  wanted.mutable_targets()->Add(selectors.begin(), selectors.end());
  const absl::StatusOr<PredictionFilter> filter = Create(wanted);
  EXPECT_TRUE(filter.ok()) << filter.status();
  std::vector<std::string> targets;
  for (const v1::JobSpec& job : Jobs()) {
    if (filter.ok() && filter->AdmitsJob(job)) {
      targets.push_back(job.target());
    }
  }
  return targets;
}

TEST(PredictionFilterTest, OfAGroupTheNamedTargetsAndTheCheckpointPass) {
  v1::JobSpec job;
  job.set_target("1-2");
  job.set_target_mode(v1::TARGET_MODE_BATCH);
  for (const char* name : {"Ada Stone", "Bo Reed"}) {
    v1::JobTarget* target = job.add_targets();
    target->set_name(name);
    target->set_number(job.targets_size());
  }
  FilterNames names;
  names.Add(job);
  v1::PredictionFilter wanted;
  wanted.add_targets("2");
  wanted.set_checkpoint(0);
  const auto filter = PredictionFilter::Create(wanted, names);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_TRUE(filter->AdmitsJob(job));
  v1::Prediction prediction;
  prediction.set_target("Bo Reed");
  EXPECT_TRUE(filter->Admits(prediction));
  prediction.set_checkpoint(1);
  EXPECT_FALSE(filter->Admits(prediction));
  prediction.set_checkpoint(0);
  prediction.set_target("Ada Stone");
  EXPECT_FALSE(filter->Admits(prediction));
  wanted.set_checkpoint(-1);
  EXPECT_THAT(PredictionFilter::Create(wanted, names).status().message(),
              HasSubstr("filter.checkpoint"));
}

TEST(PredictionFilterTest, TargetsAreNamesNumbersOrRanges) {
  EXPECT_THAT(Targets({}), ElementsAre("Ada Stone", "Bo Reed", "Cy Moon"));
  EXPECT_THAT(Targets({"Bo Reed"}), ElementsAre("Bo Reed"));
  EXPECT_THAT(Targets({"12"}), ElementsAre("Cy Moon"));
  EXPECT_THAT(Targets({"2-20", "Ada Stone"}), ElementsAre("Ada Stone", "Bo Reed", "Cy Moon"));
  EXPECT_THAT(Targets({" 1 "}), ElementsAre("Ada Stone"));
}

TEST(PredictionFilterTest, TypesPassInEverySpellingOfTheData) {
  v1::Prediction prediction;
  prediction.set_probe_set("forget_level3");
  prediction.set_type("background hint");
  for (const char* spelling : {"background hint", "Context_Hint", "context hint"}) {
    v1::PredictionFilter wanted;
    wanted.add_types(spelling);
    EXPECT_TRUE(Create(wanted)->Admits(prediction)) << spelling;
  }
  v1::PredictionFilter wanted;
  wanted.add_types("of no prediction");
  EXPECT_FALSE(Create(wanted)->Admits(prediction));
}

TEST(PredictionFilterTest, ProbeSetsAndRecipesMustMatch) {
  v1::PredictionFilter wanted;
  wanted.add_probe_sets("forget_mia");
  wanted.add_recipes("ga-lora");
  const absl::StatusOr<PredictionFilter> filter = Create(wanted);
  ASSERT_TRUE(filter.ok()) << filter.status();
  v1::Prediction prediction;
  prediction.set_probe_set("forget_level1");
  EXPECT_FALSE(filter->Admits(prediction));
  prediction.set_probe_set("forget_mia");
  EXPECT_TRUE(filter->Admits(prediction));
  v1::JobSpec other = Job("Ada Stone", 1);
  EXPECT_TRUE(filter->AdmitsJob(other));
  other.mutable_recipe()->set_label("npo");
  EXPECT_FALSE(filter->AdmitsJob(other));
}

TEST(PredictionFilterTest, EveryNameThatTheJobsHaveNotIsAViolationWithNearMatches) {
  v1::PredictionFilter wanted;
  wanted.add_targets("Ada Ston");
  wanted.add_targets("3-11");
  wanted.add_probe_sets("forget_lvl1");
  wanted.add_probe_sets("mmlu");
  wanted.add_recipes("ga-lor");
  const v1::ErrorDetails details = net::DetailsOf(Create(wanted).status());
  struct Case {
    const char* field;
    const char* description;
  };
  const std::vector<Case> expected = {
      {"filter.targets[0]", "did you mean \"Ada Stone\"?"},
      {"filter.targets[1]", "unknown target \"3-11\" known: Ada Stone, Bo Reed, Cy Moon"},
      {"filter.probe_sets[0]", "did you mean \"forget_level1\"?"},
      {"filter.probe_sets[1]",
       "found \"mmlu\", which was not evaluated; allowed forget_level1, forget_mia"},
      {"filter.recipes[0]", "did you mean \"ga-lora\"?"}};
  ASSERT_EQ(details.violations_size(), static_cast<int>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    const v1::FieldViolation& violation = details.violations(static_cast<int>(i));
    EXPECT_EQ(violation.field(), expected[i].field);
    EXPECT_THAT(violation.description(), HasSubstr(expected[i].description));
  }
}

class FilteredPredictionsTest : public testing::Test {
 protected:
  FilteredPredictionsTest()
      : root_(fs::path(testing::TempDir()) / absl::StrCat("filtered_predictions_", getpid())) {
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~FilteredPredictionsTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(FilteredPredictionsTest, PagesAndStreamsRefuseATypoAndTakeANumber) {
  const v1::Run run = server_->CreateRun(SpecOf({"1", "2"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  worker.Finish(worker.Receive().assign());  // the other target has no result yet
  const auto list = [&](const v1::PredictionFilter& filter, v1::ListPredictionsResponse* page) {
    v1::ListPredictionsRequest request;
    request.set_parent(run.name());
    *request.mutable_filter() = filter;
    grpc::ClientContext context;
    net::SetDeadline(&context);
    return server_->stub().ListPredictions(&context, request, page);
  };
  const auto stream = [&](const v1::PredictionFilter& filter, std::vector<std::string>* targets) {
    v1::StreamPredictionsRequest request;
    request.set_parent(run.name());
    *request.mutable_filter() = filter;
    grpc::ClientContext context;
    net::SetDeadline(&context);
    const auto reader = server_->stub().StreamPredictions(&context, request);
    v1::Prediction prediction;
    while (reader->Read(&prediction)) {
      targets->push_back(prediction.target());
    }
    return reader->Finish();
  };

  v1::PredictionFilter typo;
  typo.add_probe_sets("forget_lvl1");
  v1::ListPredictionsResponse page;
  std::vector<std::string> targets;
  for (const grpc::Status& status : {list(typo, &page), stream(typo, &targets)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("did you mean \"forget_level1\"?"));
  }

  v1::PredictionFilter second;
  second.add_targets("2");
  EXPECT_TRUE(list(second, &page).ok());
  EXPECT_THAT(page.predictions(), IsEmpty());
  v1::PredictionFilter first;
  first.add_targets("1");
  EXPECT_TRUE(stream(first, &targets).ok());
  EXPECT_THAT(targets, ElementsAre("Ada Stone"));
}

}  // namespace
}  // namespace rwku::service
