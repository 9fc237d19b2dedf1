// What a client can get wrong: each is refused with the field and what is allowed, and stores
// nothing.
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
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
using ::testing::Pair;

struct Case {
  const char* name;
  const char* change;       // text format, merged into a good request
  const char* field;        // of the first violation
  const char* description;  // part of it
};

class BadRunTest : public testing::TestWithParam<Case> {
 protected:
  BadRunTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("bad_run_", getpid(), "_", GetParam().name)) {
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~BadRunTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

TEST_P(BadRunTest, IsRefusedWithItsFieldAndStoresNothing) {
  v1::CreateRunRequest request;
  *request.mutable_spec() = SpecOf({"1"});
  v1::CreateRunRequest change;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(GetParam().change, &change));
  if (change.spec().targets_size() > 0) {
    request.mutable_spec()->clear_targets();
  }
  if (change.spec().recipes_size() > 0) {
    request.mutable_spec()->clear_recipes();
  }
  request.MergeFrom(change);
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::Run run;
  const grpc::Status status = server_->stub().CreateRun(&context, request, &run);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  const v1::ErrorDetails details = net::DetailsOf(net::FromGrpcStatus(status, context));
  ASSERT_GE(details.violations_size(), 1) << status.error_message();
  EXPECT_EQ(details.violations(0).field(), GetParam().field);
  EXPECT_THAT(details.violations(0).description(), HasSubstr(GetParam().description));
  EXPECT_THAT(status.error_message(), HasSubstr(GetParam().field));
  EXPECT_EQ(store_.Load()->revision, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRunTest,
    testing::Values(
        Case{"UnknownModel", R"(spec { model: "tinny" })", "spec.model", "did you mean \"tiny\""},
        Case{"ModelTraversal", R"(spec { model: "../secret" })", "spec.model", "../secret"},
        Case{"AbsoluteModel", R"(spec { model: "/etc" })", "spec.model", "/etc"},
        Case{"BrokenModel", R"(spec { model: "broken" })", "spec.model", "config.json"},
        Case{"ModelOfAnotherType", R"(spec { model: "other" })", "spec.model",
             "found model_type \"mamba\", allowed llama, mistral, phi3, qwen2"},
        Case{"UnknownDataset", R"(spec { dataset: "peeple" })", "spec.dataset", "people"},
        Case{"DatasetTraversal", R"(spec { dataset: "people/../.." })", "spec.dataset", ".."},
        Case{"UnknownTarget", R"(spec { targets: "Ada Ston" })", "spec.targets[0]", "Ada Stone"},
        Case{"TargetNumber", R"(spec { targets: "1" targets: "9" })", "spec.targets[1]", "9"},
        Case{"TargetTraversal", R"(spec { targets: "../1_Ada_Stone" })", "spec.targets[0]", "../"},
        Case{"UnknownMethod", R"(spec { recipes { method: "gaa" } })", "spec.recipes[0].method",
             "ga"},
        Case{"LearningRate", R"(spec { recipes { method: "ga" learning_rate: -1 } })",
             "spec.recipes[0].learning_rate", "-1"},
        Case{"SecondRecipe", R"(spec { recipes { method: "ga" } recipes { method: "npo"
             epochs: 0 } })",
             "spec.recipes[1].epochs", "0"},
        Case{"SameLabel", R"(spec { recipes { method: "ga" } recipes { method: "ga" } })",
             "spec.recipes[1].label", "recipes[0]"},
        Case{"NoCorpus", R"(spec { targets: "3" recipes { method: "ga" } })", "spec.targets",
             "target 3 \"Cy Moon\" has no corpus \"positive\""},
        Case{"GroupsWithoutAMode", R"(spec { groups { targets: "1" } })", "spec.groups",
             "TARGET_MODE_BATCH"},
        Case{"UnknownModeOfTargets", R"(spec { target_mode: 9 })", "spec.target_mode",
             "TARGET_MODE_SINGLE"},
        Case{"BatchOfUnknownTargets",
             R"(spec { targets: "1-2" target_mode: TARGET_MODE_BATCH
                       groups { targets: "1" targets: "Bo Reedd" } })",
             "spec.groups[0].targets[1]", "Bo Reed"},
        Case{"SequenceWithoutTraining",
             R"(spec { target_mode: TARGET_MODE_SEQUENTIAL recipes { method: "icu" } })",
             "spec.recipes[0].method", "does not train"},
        Case{"SteeringOfABatch",
             R"(spec { target_mode: TARGET_MODE_BATCH recipes { method: "repe" } })",
             "spec.recipes[0].method", "one target"},
        Case{
            "NoNeighbors",
            R"(spec { recipes { method: "graddiff" retain { source: RETAIN_SOURCE_NEIGHBORS } } })",
            "spec.recipes[0].retain.source", "target 1 \"Ada Stone\" has no neighbor probes"},
        Case{"EpochsOfASequence",
             R"(spec { target_mode: TARGET_MODE_SEQUENTIAL evaluate_epochs: true
                       recipes { method: "ga" } })",
             "spec.evaluate_epochs", "after each target"},
        Case{"EpochsWithoutTraining", R"(spec { evaluate_epochs: true })", "spec.evaluate_epochs",
             "no recipe trains"},
        Case{"ExportWithoutTraining", R"(spec { export_weights: true })", "spec.export_weights",
             "no recipe trains"},
        Case{"UnknownProbeSet", R"(spec { probe_sets: "forget_level9" })", "spec.probe_sets[0]",
             "forget_level"},
        Case{"MissingPrimer", R"(spec { dataset: "quiz" })", "spec.probe_sets", "triviaqa: "},
        Case{"MissingProbeSet", R"(spec { probe_sets: "neighbor_level1" })", "spec.probe_sets[0]",
             "target 1 \"Ada Stone\" has no probe set"},
        Case{"SameSeed", R"(spec { seeds: 1 seeds: 1 })", "spec.seeds[1]", "twice"},
        Case{"Priority", R"(spec { priority: 101 })", "spec.priority", "-100 to 100"},
        Case{"NoRanks", R"(spec { data_parallel: 0 })", "spec.data_parallel", "1 to 64"},
        Case{"TooManyRanks", R"(spec { data_parallel: 65 })", "spec.data_parallel", "1 to 64"},
        Case{"NothingToShard", R"(spec { shard_optimizer_state: true })",
             "spec.shard_optimizer_state", "data_parallel"},
        Case{"MaxFailures", R"(spec { max_failures: 0 })", "spec.max_failures", "1 to 20"},
        Case{"RequestId",
             R"(request_id: "0123456789012345678901234567890123456789012345678901234567890123456")",
             "request_id", "at most 64"}),
    [](const auto& info) { return info.param.name; });

class EdgeTest : public testing::Test {
 protected:
  EdgeTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("edge_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
    channel_ = *net::CreateChannel(server_->address());
  }
  ~EdgeTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  // Sends one message to `method` as bytes and gives back one message of the answer, or none.
  std::string Exchange(const std::string& method, const std::string& message) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    net::SetDeadline(&context);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, method, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    wait();
    const grpc::Slice slice(message);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait();
    call->WritesDone(nullptr);
    wait();
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    wait();
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    EXPECT_TRUE(status.ok()) << status.error_message();
    grpc::Slice bytes;
    if (answer.Valid()) {
      answer.DumpToSingleSlice(&bytes);
    }
    return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(EdgeTest, HealthSaysServing) {
  // HealthCheckResponse.status = 1, SERVING.
  EXPECT_EQ(Exchange("/grpc.health.v1.Health/Check", ""), std::string("\x08\x01", 2));
}

TEST_F(EdgeTest, ReflectionListsTheServices) {
  // ServerReflectionRequest.list_services = "".
  const std::string answer = Exchange(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", std::string("\x3a\x00", 2));
  EXPECT_THAT(answer, HasSubstr("rwku.v1.UnlearningService"));
  EXPECT_THAT(answer, HasSubstr("rwku.v1.WorkerService"));
}

TEST_F(EdgeTest, MalformedNamesAreRefusedWithTheirField) {
  for (const char* name : {"", "r1", "runs/", "runs/../x", "runs/a/jobs", "jobs/a"}) {
    v1::GetRunRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    net::SetDeadline(&context);
    v1::Run run;
    const grpc::Status status = server_->stub().GetRun(&context, request, &run);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_THAT(status.error_message(), HasSubstr("name:"));
  }
}

TEST_F(EdgeTest, UnknownRunIsNotFoundByEveryMethod) {
  grpc::ClientContext watch_context;
  net::SetDeadline(&watch_context);
  v1::WatchRunRequest watch;
  watch.set_name("runs/r9");
  const auto stream = server_->stub().WatchRun(&watch_context, watch);
  v1::RunEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext report_context;
  net::SetDeadline(&report_context);
  v1::GetReportRequest report;
  report.add_runs("runs/r9");
  v1::GetReportResponse table;
  EXPECT_EQ(server_->stub().GetReport(&report_context, report, &table).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(EdgeTest, ModelsThatCannotRunAreListedWithTheReason) {
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::ListModelsResponse response;
  ASSERT_TRUE(server_->stub().ListModels(&context, {}, &response).ok());
  std::map<std::string, std::string> problems;
  for (const v1::Model& model : response.models()) {
    problems[model.name()] = model.problem();
  }
  EXPECT_THAT(problems,
              ElementsAre(Pair("broken", HasSubstr("config.json")),
                          Pair("other", HasSubstr("model_type \"mamba\"")), Pair("tiny", "")));
}

TEST_F(EdgeTest, MethodsOfAnUnknownFamilyAreRefused) {
  v1::ListMethodsRequest request;
  request.set_family("lama");
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::ListMethodsResponse response;
  const grpc::Status status = server_->stub().ListMethods(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              HasSubstr("family: unknown model family \"lama\"; did you mean \"llama\"?"));
}

}  // namespace
}  // namespace rwku::service
