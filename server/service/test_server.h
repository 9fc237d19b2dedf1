// For tests: a whole coordinator in this process on a free port, and a worker that does what the
// test says.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rwku/v1/unlearning.grpc.pb.h"
#include "rwku/v1/worker.grpc.pb.h"

#include "base/clock.h"
#include "net/server.h"
#include "server/coordinator/coordinator.h"
#include "server/service/catalog.h"
#include "server/service/unlearning_service.h"
#include "server/service/worker_service.h"
#include "server/store/store.h"

namespace rwku::service {

// Writes a model "tiny" (llama), one "broken", one "other" (mamba), a dataset "people" with the
// targets 1 "Ada Stone", 2 "Bo Reed" and 3 "Cy Moon", the last without a corpus, and a dataset
// "quiz" with TriviaQA's questions but not its primer.
void WriteFixtures(const std::filesystem::path& root);

// Runs until destroyed. `store` outlives it.
class TestServer {
 public:
  TestServer(const std::filesystem::path& root, store::Store* store,
             absl::Duration lease_duration = absl::Seconds(30));
  ~TestServer();

  const std::string& address() const { return server_->address(); }
  v1::UnlearningService::Stub& stub() { return *stub_; }
  coordinator::Coordinator& coordinator() { return *coordinator_; }

  // Calls that must succeed.
  v1::Run CreateRun(const v1::RunSpec& spec);
  v1::Run GetRun(const std::string& name);
  std::vector<v1::Job> Jobs(const std::string& run);

 private:
  const RealClock clock_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  Catalog catalog_;
  std::unique_ptr<UnlearningService> unlearning_;
  std::unique_ptr<WorkerService> workers_;
  std::unique_ptr<net::Server> server_;
  std::unique_ptr<v1::UnlearningService::Stub> stub_;
};

// original over `targets` of the fixtures.
v1::RunSpec SpecOf(const std::vector<std::string>& targets);

// One worker's stream, driven step by step. Not thread-safe.
class ScriptedWorker {
 public:
  explicit ScriptedWorker(const std::string& address);
  ~ScriptedWorker();

  // A Hello of this worker with the right versions.
  static v1::Hello HelloOf(const std::string& name, const std::string& incarnation = "i1");

  void Send(const v1::WorkerMessage& message);
  void SendHello(const v1::Hello& hello);
  // The next message; fails the test if the stream ends instead.
  v1::CoordinatorMessage Receive();
  // Hello, and the Welcome to it.
  v1::Welcome Join(const v1::Hello& hello);
  // Sends a chunk with one prediction for the target and waits for its ack.
  void SendChunk(const v1::Assign& assign, int sequence);
  // Chunk 0 and Completed; the answer to it.
  v1::CoordinatorMessage Finish(const v1::Assign& assign);
  static v1::WorkerMessage CompletedOf(const v1::Assign& assign);
  static v1::Prediction PredictionOf(const v1::Assign& assign, int index);

  // Ends the stream from this side, as a process that is killed does.
  void Break();
  // The status with which the server ended the stream.
  grpc::Status End();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  bool ended_ = false;
};

}  // namespace rwku::service
