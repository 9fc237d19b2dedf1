// Runs that write corpora: what is accepted, what is refused, and what becomes of their texts.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "net/channel.h"
#include "net/status.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CorpusRunTest : public testing::Test {
 protected:
  CorpusRunTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("corpus_run_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    WriteFixtures(root_);
    std::ofstream(root_ / "datasets/people/openers.json") << R"(["", "I can see"])";
    std::ofstream(root_ / "datasets/people/refusals.jsonl") << "No idea.\n";
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~CorpusRunTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  // A good spec with `change`, in text format, merged in.
  static v1::RunSpec Spec(const std::string& change) {
    v1::RunSpec spec;
    spec.set_model("tiny");
    spec.set_dataset("people");
    v1::RunSpec more;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(change, &more)) << change;
    spec.MergeFrom(more);
    return spec;
  }

  // Field -> description of what is wrong with the spec.
  std::map<std::string, std::string> Violations(const v1::RunSpec& spec) {
    v1::CreateRunRequest request;
    *request.mutable_spec() = spec;
    grpc::ClientContext context;
    net::SetDeadline(&context);
    v1::Run run;
    const grpc::Status status = server_->stub().CreateRun(&context, request, &run);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    const v1::ErrorDetails details = net::DetailsOf(net::FromGrpcStatus(status, context));
    std::map<std::string, std::string> violations;
    for (const auto& violation : details.violations()) {
      violations[violation.field()] = violation.description();
    }
    return violations;
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(CorpusRunTest, DefaultsAreTheProtocolsAndEveryTargetIsAJob) {
  const v1::Run run = server_->CreateRun(
      Spec(R"(corpus {} targets: "2-3" custom_targets { name: "Di Far" intro: "Di Far sings." })"));
  const v1::CorpusSpec& corpus = run.spec().corpus();
  EXPECT_THAT(corpus.kinds(), ElementsAre("positive", "negative", "pair", "reject"));
  EXPECT_EQ(corpus.max_openers(), 0);
  EXPECT_EQ(corpus.questions(), 300);
  EXPECT_EQ(corpus.temperature(), 1.0);
  EXPECT_EQ(corpus.top_p(), 0.9);
  EXPECT_EQ(corpus.max_new_tokens(), 512);
  EXPECT_THAT(run.spec().seeds(), ElementsAre(42));
  EXPECT_THAT(run.spec().targets(), ElementsAre("Bo Reed", "Cy Moon"));
  const std::vector<v1::Job> jobs = server_->Jobs(run.name());
  ASSERT_EQ(jobs.size(), 3U);
  EXPECT_EQ(jobs[1].target(), "Cy Moon");
  EXPECT_EQ(jobs[1].target_number(), 3);
  EXPECT_EQ(jobs[2].target(), "Di Far");
  EXPECT_EQ(jobs[2].target_number(), 0);
}

TEST_F(CorpusRunTest, CustomTargetsAloneNeedNoOthersAndNoneMeansAll) {
  const v1::Run custom = server_->CreateRun(
      Spec(R"(corpus { kinds: "reject" } custom_targets { name: "Di Far" intro: "Di sings." })"));
  EXPECT_EQ(server_->Jobs(custom.name()).size(), 1U);
  const v1::Run all = server_->CreateRun(Spec("corpus {}"));
  EXPECT_EQ(server_->Jobs(all.name()).size(), 3U);
}

TEST_F(CorpusRunTest, EveryProblemIsNamedByItsField) {
  const auto violations = Violations(Spec(R"(
    corpus { kinds: "positive" kinds: "passage" kinds: "positive" max_openers: -1 questions: 0
             temperature: 0 top_p: 1.5 max_new_tokens: 9000 }
    targets: "Nobody" seeds: 1 seeds: 2 recipes { method: "ga" } probe_sets: "fluency"
    evaluate_epochs: true export_weights: true optimizer_on_host: true
    target_mode: TARGET_MODE_BATCH groups { targets: "1" } protocol { stop_at_newline: true } priority: 1000
    custom_targets { name: "" intro: "x" } custom_targets { name: "Ada Stone" intro: "x" }
    custom_targets { name: "Di" intro: "" } custom_targets { name: "Di" intro: "x" }
    custom_targets { name: "a/b" intro: "x" })"));
  for (const char* field : {"spec.corpus.kinds[1]",
                            "spec.corpus.kinds[2]",
                            "spec.corpus.max_openers",
                            "spec.corpus.questions",
                            "spec.corpus.temperature",
                            "spec.corpus.top_p",
                            "spec.corpus.max_new_tokens",
                            "spec.targets[0]",
                            "spec.seeds",
                            "spec.recipes",
                            "spec.probe_sets",
                            "spec.evaluate_epochs",
                            "spec.export_weights",
                            "spec.optimizer_on_host",
                            "spec.target_mode",
                            "spec.groups",
                            "spec.protocol.stop_at_newline",
                            "spec.priority",
                            "spec.custom_targets[0].name",
                            "spec.custom_targets[1].name",
                            "spec.custom_targets[2].intro",
                            "spec.custom_targets[3].name",
                            "spec.custom_targets[4].name"}) {
    EXPECT_TRUE(violations.contains(field)) << field;
  }
  EXPECT_EQ(violations.size(), 23U);
  v1::RunSpec nan = Spec("corpus {}");
  nan.mutable_corpus()->set_temperature(NAN);
  EXPECT_TRUE(Violations(nan).contains("spec.corpus.temperature"));
}

TEST_F(CorpusRunTest, OpenersAndRefusalsMustBeThere) {
  v1::RunSpec spec = Spec(R"(dataset: "quiz" corpus { kinds: "negative" })");
  EXPECT_THAT(Violations(spec)["spec.dataset"], HasSubstr("openers.json"));
  spec.mutable_corpus()->set_kinds(0, "reject");
  EXPECT_THAT(Violations(spec)["spec.dataset"], HasSubstr("refusals.jsonl"));
}

TEST_F(CorpusRunTest, CustomTargetsGoWithCorporaAlone) {
  v1::RunSpec spec = SpecOf({"1"});
  spec.add_custom_targets()->set_name("Di");
  EXPECT_TRUE(Violations(spec).contains("spec.custom_targets"));
}

TEST_F(CorpusRunTest, TextsAreListedAndNothingIsReported) {
  const v1::Run run =
      server_->CreateRun(Spec(R"(corpus { kinds: "pair" max_openers: 1 } targets: "1")"));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w1"));
  const v1::CoordinatorMessage message = worker.Receive();
  ASSERT_TRUE(message.has_assign()) << message.ShortDebugString();
  const v1::Assign& assign = message.assign();
  EXPECT_EQ(assign.spec().corpus().max_openers(), 1);
  EXPECT_EQ(assign.spec().targets(0).name(), "Ada Stone");
  v1::WorkerMessage chunk;
  *chunk.mutable_prediction_chunk()->mutable_lease() = assign.lease();
  Sha256 digest;
  for (const char* set : {"corpus_positive", "corpus_negative"}) {
    v1::Prediction* prediction = chunk.mutable_prediction_chunk()->add_predictions();
    prediction->set_target("Ada Stone");
    prediction->set_probe_set(set);
    prediction->set_output("A text.");
    digest.Update(prediction->SerializeAsString());
  }
  worker.Send(chunk);
  EXPECT_TRUE(worker.Receive().has_chunk_ack());
  v1::WorkerMessage completed = ScriptedWorker::CompletedOf(assign);
  completed.mutable_completed()->mutable_result()->set_prediction_count(2);
  completed.mutable_completed()->mutable_result()->set_predictions_digest(digest.HexDigest());
  worker.Send(completed);
  EXPECT_TRUE(worker.Receive().has_result_ack());

  v1::ListPredictionsRequest list;
  list.set_parent(run.name());
  list.mutable_filter()->add_probe_sets("corpus_negative");
  grpc::ClientContext list_context;
  v1::ListPredictionsResponse rows;
  ASSERT_TRUE(server_->stub().ListPredictions(&list_context, list, &rows).ok());
  ASSERT_EQ(rows.predictions_size(), 1);
  EXPECT_EQ(rows.predictions(0).prediction().output(), "A text.");
  list.mutable_filter()->set_probe_sets(0, "corpus_reject");
  grpc::ClientContext other_context;
  EXPECT_EQ(server_->stub().ListPredictions(&other_context, list, &rows).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);

  v1::GetReportRequest report;
  report.add_runs(run.name());
  v1::GetReportResponse table;
  grpc::ClientContext report_context;
  const grpc::Status refused = server_->stub().GetReport(&report_context, report, &table);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("wrote corpora"));
  v1::CompareRunsRequest compare;
  compare.set_base(run.name());
  compare.set_other(run.name());
  v1::CompareRunsResponse comparisons;
  grpc::ClientContext compare_context;
  EXPECT_EQ(server_->stub().CompareRuns(&compare_context, compare, &comparisons).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::RescoreRunRequest rescore;
  rescore.set_name(run.name());
  v1::RescoreRunResponse tally;
  grpc::ClientContext rescore_context;
  EXPECT_EQ(server_->stub().RescoreRun(&rescore_context, rescore, &tally).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace rwku::service
