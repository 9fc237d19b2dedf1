#include "server/service/test_server.h"

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "base/digest.h"
#include "net/channel.h"
#include "net/protocol_version.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

void Write(const fs::path& path, const std::string& contents) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << contents;
}

}  // namespace

void WriteFixtures(const fs::path& root) {
  fs::remove_all(root);
  Write(root / "models/tiny/config.json", R"({"model_type": "llama", "vocab_size": 8})");
  Write(root / "models/tiny/tokenizer.json", "{}");
  Write(root / "models/tiny/model.safetensors", "weights");
  Write(root / "models/broken/config.json", "{");
  Write(root / "models/other/config.json", R"({"model_type": "mamba"})");
  Write(root / "secret/config.json", R"({"model_type": "llama"})");
  const std::vector<std::string> names = {"Ada Stone", "Bo Reed", "Cy Moon"};
  for (size_t i = 0; i < names.size(); ++i) {
    std::string folder = absl::StrCat(i + 1, "_", names[i]);
    folder[folder.find(' ')] = '_';
    const fs::path target = root / "datasets/people/Target" / folder;
    Write(target / "intro.json", absl::StrCat(R"([{"target": ")", names[i], R"(", "intro": ")",
                                              names[i], R"( is known."}])"));
    Write(target / "forget_level1.json",
          absl::StrCat(R"([{"subject": ")", names[i],
                       R"(", "query": "q", "answer": "a", "type": "cloze", "level": "1"}])"));
    if (i < 2) {
      Write(target / "positive.json",
            absl::StrCat(R"([{"subject": ")", names[i], R"(", "text": "t", "id": "0"}])"));
    }
  }
  const fs::path quiz = root / "datasets/quiz/Target/1_Ada_Stone";
  Write(quiz / "intro.json", R"([{"subject": "Ada Stone", "intro": "Ada Stone is known."}])");
  Write(quiz / "triviaqa.json", R"([{"subject": "Ada Stone", "question": "q", "answers": ["a"]}])");
}

TestServer::TestServer(const fs::path& root, store::Store* store, absl::Duration lease_duration)
    : catalog_(root / "models", root / "datasets") {
  coordinator::Options options;
  options.scheduler.lease_duration = lease_duration;
  options.scheduler.backoff_base = absl::Milliseconds(1);
  options.tick_interval = absl::Milliseconds(5);
  options.retry_interval = absl::Milliseconds(10);
  coordinator_ = *coordinator::Coordinator::Create(options, store, &clock_);
  unlearning_ = std::make_unique<UnlearningService>(
      UnlearningServiceOptions{.schema_version = 1, .threads = 2}, coordinator_.get(), store,
      &catalog_, &clock_);
  workers_ = std::make_unique<WorkerService>(WorkerServiceOptions{absl::Seconds(1), lease_duration},
                                             coordinator_.get(), store);
  server_ = *net::Server::Start({}, {unlearning_.get(), workers_.get()});
  stub_ = v1::UnlearningService::NewStub(*net::CreateChannel(server_->address()));
}

TestServer::~TestServer() {
  coordinator_->CloseStreams(absl::UnavailableError("the test server stops"));
  server_->Shutdown(absl::Seconds(5));
  coordinator_->Stop();
}

v1::Run TestServer::CreateRun(const v1::RunSpec& spec) {
  v1::CreateRunRequest request;
  *request.mutable_spec() = spec;
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::Run run;
  const grpc::Status status = stub_->CreateRun(&context, request, &run);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return run;
}

v1::Run TestServer::GetRun(const std::string& name) {
  v1::GetRunRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::Run run;
  const grpc::Status status = stub_->GetRun(&context, request, &run);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return run;
}

std::vector<v1::Job> TestServer::Jobs(const std::string& run) {
  v1::ListJobsRequest request;
  request.set_parent(run);
  grpc::ClientContext context;
  net::SetDeadline(&context);
  v1::ListJobsResponse response;
  const grpc::Status status = stub_->ListJobs(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return {response.jobs().begin(), response.jobs().end()};
}

v1::RunSpec SpecOf(const std::vector<std::string>& targets) {
  v1::RunSpec spec;
  spec.set_model("tiny");
  spec.set_dataset("people");
  for (const std::string& target : targets) {
    spec.add_targets(target);
  }
  spec.add_recipes()->set_method("original");
  return spec;
}

ScriptedWorker::ScriptedWorker(const std::string& address)
    : stub_(v1::WorkerService::NewStub(*net::CreateChannel(address))) {
  net::SetDeadline(&context_);
  stream_ = stub_->Connect(&context_);
}

ScriptedWorker::~ScriptedWorker() {
  if (!ended_) {
    Break();
  }
}

v1::Hello ScriptedWorker::HelloOf(const std::string& name, const std::string& incarnation) {
  v1::Hello hello;
  hello.set_worker(name);
  hello.set_incarnation(incarnation);
  hello.set_protocol_version(net::kProtocolVersion);
  hello.set_version("test");
  hello.add_devices()->set_name("cpu");
  return hello;
}

void ScriptedWorker::Send(const v1::WorkerMessage& message) { stream_->Write(message); }

void ScriptedWorker::SendHello(const v1::Hello& hello) {
  v1::WorkerMessage message;
  *message.mutable_hello() = hello;
  Send(message);
}

v1::CoordinatorMessage ScriptedWorker::Receive() {
  v1::CoordinatorMessage message;
  if (!stream_->Read(&message)) {
    ADD_FAILURE() << "the stream ended: " << End().error_message();
  }
  return message;
}

v1::Welcome ScriptedWorker::Join(const v1::Hello& hello) {
  SendHello(hello);
  v1::CoordinatorMessage message = Receive();
  EXPECT_TRUE(message.has_welcome()) << message.ShortDebugString();
  return message.welcome();
}

v1::Prediction ScriptedWorker::PredictionOf(const v1::Assign& assign, int index) {
  v1::Prediction prediction;
  prediction.set_target(assign.spec().target());
  prediction.set_probe_set("forget_level1");
  prediction.set_index(index);
  prediction.set_type("cloze");
  prediction.set_output(assign.lease().job());
  v1::Score* score = prediction.add_scores();
  score->set_name("rouge_l_recall");
  score->set_value(0.5);
  return prediction;
}

void ScriptedWorker::SendChunk(const v1::Assign& assign, int sequence) {
  v1::WorkerMessage message;
  v1::PredictionChunk* chunk = message.mutable_prediction_chunk();
  *chunk->mutable_lease() = assign.lease();
  chunk->set_sequence(sequence);
  *chunk->add_predictions() = PredictionOf(assign, sequence);
  Send(message);
  const v1::CoordinatorMessage answer = Receive();
  EXPECT_TRUE(answer.has_chunk_ack()) << answer.ShortDebugString();
  EXPECT_EQ(answer.chunk_ack().sequence(), sequence);
}

v1::WorkerMessage ScriptedWorker::CompletedOf(const v1::Assign& assign) {
  v1::WorkerMessage message;
  v1::Completed* completed = message.mutable_completed();
  *completed->mutable_lease() = assign.lease();
  completed->set_chunks(1);
  completed->mutable_result()->set_prediction_count(1);
  completed->mutable_result()->set_predictions_digest(
      Sha256Hex(PredictionOf(assign, 0).SerializeAsString()));
  return message;
}

v1::CoordinatorMessage ScriptedWorker::Finish(const v1::Assign& assign) {
  SendChunk(assign, 0);
  Send(CompletedOf(assign));
  return Receive();
}

void ScriptedWorker::Break() {
  context_.TryCancel();
  End();
}

grpc::Status ScriptedWorker::End() {
  ended_ = true;
  v1::CoordinatorMessage ignored;
  while (stream_->Read(&ignored)) {
  }
  return stream_->Finish();
}

}  // namespace rwku::service
