// A run over mutual TLS with tokens, while certificates and tokens are replaced: it ends as a run
// that nobody disturbs, and no process says a secret anywhere.

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tests/testing/certificates.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/process.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kWait = absl::Seconds(60);

std::string Rwku() {
  const char* build = std::getenv("RWKU_BINARY_DIR");
  return (fs::path(build == nullptr ? "." : build) / "bin/rwku").string();
}

class SecureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / absl::StrCat("secure_test.", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    fs::create_directories(root_ / "secrets");
    fs::create_directories(root_ / "output");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    synth::DatasetOptions options;
    options.corpus_texts = 16;
    const auto world = synth::MakeWorld(7, 3);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, options, root_ / "datasets" / "synthetic").ok());
    Write("ca.pem", authority_.certificate());
    WriteCertificate("server", "rwku-server");
    WriteCertificate("worker", "rwku-worker");
  }
  void TearDown() override {
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  std::string Secret(const std::string& name) const { return (root_ / "secrets" / name).string(); }
  void Write(const std::string& name, const std::string& contents) {
    ASSERT_TRUE(WriteFileAtomically(Secret(name), contents).ok());
    fs::permissions(Secret(name), fs::perms::owner_read | fs::perms::owner_write);
  }
  void WriteCertificate(const std::string& name, const std::string& subject) {
    const testing::PemPair pair = authority_.Issue(subject, {"DNS:localhost", "IP:127.0.0.1"});
    Write(name + ".pem", pair.certificate);
    Write(name + ".key", pair.key);
    keys_.push_back(pair.key);
  }

  // Runs `rwku` with `arguments`; its standard output. Both outputs are kept for the search, but
  // that of `token create`, which shows the token by design.
  std::string Run(const std::vector<std::string>& arguments, int expected_code = 0,
                  std::vector<std::pair<std::string, std::string>> variables = {}) {
    const std::string name = absl::StrCat("rwku", ++commands_);
    const fs::path folder =
        root_ / (arguments.size() > 1 && arguments[1] == "create" ? "secrets" : "output");
    testing::ProcessOptions process;
    process.argv = {Rwku()};
    process.argv.insert(process.argv.end(), arguments.begin(), arguments.end());
    process.env = std::move(variables);
    process.stdout_file = folder / (name + ".out");
    process.stderr_file = root_ / "output" / (name + ".err");
    auto started = testing::Process::Start(process);
    EXPECT_TRUE(started.ok()) << started.status();
    const auto exit = started->Wait(kWait);
    EXPECT_TRUE(exit.ok()) << exit.status();
    EXPECT_EQ(exit->code, expected_code)
        << ReadFile(process.stderr_file).value_or("") << ReadFile(process.stdout_file).value_or("");
    return ReadFile(process.stdout_file).value_or("");
  }
  std::string CreateToken(const std::string& id, const std::string& role) {
    const std::string token =
        std::string(absl::StripSuffix(Run({"token", "create", "--file", Secret("tokens.json"),
                                           "--role", role, "--id", id, "--expires", "1d"}),
                                      "\n"));
    tokens_.push_back(token);
    return token;
  }

  ClusterOptions Options(const std::string& name) const {
    ClusterOptions options;
    options.root = root_ / name;
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.worker_env = {{"RWKU_FAKE_STEP_MS", "20"}};
    return options;
  }
  ClusterOptions SecureOptions() const {
    ClusterOptions options = Options("secure");
    options.server_flags = {"--tls-certificate", Secret("server.pem"),
                            "--tls-key",         Secret("server.key"),
                            "--tls-client-ca",   Secret("ca.pem"),
                            "--tokens",          Secret("tokens.json"),
                            "--audit-log",       (root_ / "output/audit.log").string()};
    options.worker_flags = {"--tls-ca",           Secret("ca.pem"),      "--tls-certificate",
                            Secret("worker.pem"), "--tls-key",           Secret("worker.key"),
                            "--token-file",       Secret("worker.token")};
    options.client_security.tls_ca = Secret("ca.pem");
    options.client_security.token_file = Secret("submitter.token");
    return options;
  }
  static v1::CreateRunRequest Request() {
    v1::CreateRunRequest request;
    request.mutable_spec()->set_model("fake");
    request.mutable_spec()->set_dataset("synthetic");
    for (const char* method : {"original", "ga"}) {
      request.mutable_spec()->add_recipes()->set_method(method);
    }
    request.mutable_spec()->mutable_recipes(1)->set_epochs(20);
    return request;
  }

  std::string Audit() const { return ReadFile(root_ / "output/audit.log").value_or(""); }
  absl::Status AwaitAudit(const std::string& text) const {
    return testing::WaitForText(root_ / "output/audit.log", text, kWait);
  }

  const testing::CertificateAuthority authority_{"authority"};
  fs::path root_;
  int commands_ = 0;
  std::vector<std::string> tokens_;
  std::vector<std::string> keys_;
};

TEST_F(SecureTest, ARunGoesOnWhileCertificatesAndTokensAreReplaced) {
  std::map<std::string, std::string> expected;
  {
    Cluster plain(Options("plain"));
    ASSERT_TRUE(plain.StartServer().ok()) << plain.Logs();
    ASSERT_TRUE(plain.StartWorker("w0").ok());
    const auto run = plain.client().CreateRun(Request());
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_TRUE(plain.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {}).ok());
    expected = *ResultsOf(plain.client(), run->name());
  }

  Write("worker.token", CreateToken("worker-1", "worker"));
  Write("submitter.token", CreateToken("submitter-1", "submitter"));
  Write("admin.token", CreateToken("admin-1", "admin"));
  Cluster cluster(SecureOptions());
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  const auto run = cluster.client().CreateRun(Request());
  ASSERT_TRUE(run.ok()) << run.status() << cluster.Logs();
  ASSERT_TRUE(AwaitAudit("CN=rwku-worker,O=rwku").ok()) << cluster.Logs();

  // New certificates and a second token for each; then the first tokens are revoked, which ends the
  // workers' streams: they come back with what is new.
  WriteCertificate("server", "rwku-server-2");
  WriteCertificate("worker", "rwku-worker-2");
  Write("worker.token", CreateToken("worker-2", "worker"));
  Write("submitter.token", CreateToken("submitter-2", "submitter"));
  ASSERT_TRUE(testing::WaitForText(root_ / "secure/server.log", "\"tokens\":5", kWait).ok());
  ASSERT_TRUE(cluster.client().GetRun(run->name()).ok());
  Run({"token", "revoke", "--file", Secret("tokens.json"), "--id", "worker-1"});
  Run({"token", "revoke", "--file", Secret("tokens.json"), "--id", "submitter-1"});
  ASSERT_TRUE(AwaitAudit("\"identity\":\"worker-2\"").ok()) << cluster.Logs();
  const auto done = cluster.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
  ASSERT_TRUE(done.ok()) << done.status() << cluster.Logs();
  EXPECT_EQ(done->state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
  EXPECT_EQ(*ResultsOf(cluster.client(), run->name()), expected);

  // A worker that starts shows the new certificate to a server that shows its own.
  ASSERT_TRUE(cluster.StartWorker("w2").ok());
  ASSERT_TRUE(AwaitAudit("CN=rwku-worker-2,O=rwku").ok()) << cluster.Logs();

  // The command line: what it may, what it may not, and what it says then.
  const std::vector<std::string> server = {"--server", cluster.address(), "--tls-ca",
                                           Secret("ca.pem")};
  const auto with = [&server](std::vector<std::string> words) {
    words.insert(words.begin(), server.begin(), server.end());
    return words;
  };
  EXPECT_THAT(Run(with({"--token-file", Secret("submitter.token"), "list"})),
              HasSubstr("succeeded"));
  EXPECT_THAT(Run(with({"list"}), 0, {{"RWKU_TOKEN", tokens_.back()}}), HasSubstr("succeeded"));
  Run(with({"list"}), 1);
  Run(with({"--token-file", Secret("submitter.token"), "drain", "w2"}), 1);
  Run(with({"--token-file", Secret("worker.token"), "list"}), 1);
  Run({"--server", cluster.address(), "--timeout", "5s", "list"}, 3);
  Run(with({"list"}), 2, {{"RWKU_TOKEN", absl::StrCat("x", tokens_.back())}});
  Run({"--server", "10.0.0.1:1", "list"}, 2, {{"RWKU_TOKEN", tokens_.back()}});
  Run(with({"--token-file", Secret("admin.token"), "drain", "w2"}));
  EXPECT_TRUE(cluster.StopWorker("w0").ok()) << cluster.Logs();
  EXPECT_TRUE(cluster.StopServer().ok()) << cluster.Logs();
  EXPECT_THAT(Audit(), HasSubstr("\"identity\":\"admin-1\",\"role\":\"admin\""));
  EXPECT_THAT(Audit(), HasSubstr("\"resource\":\"workers/w2\",\"outcome\":\"OK\""));

  // Everything that any process wrote, but the files that hold secrets by design.
  int files = 0;
  for (const char* folder : {"secure", "output"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root_ / folder)) {
      if (!entry.is_regular_file()) {
        continue;
      }
      ++files;
      const std::string text = ReadFile(entry.path()).value_or("");
      for (const std::string& token : tokens_) {
        EXPECT_FALSE(absl::StrContains(text, token.substr(token.rfind('_') + 1))) << entry.path();
      }
      for (const std::string& key : keys_) {
        const std::vector<std::string> lines = absl::StrSplit(key, '\n');
        EXPECT_FALSE(absl::StrContains(text, lines[1])) << entry.path();
      }
    }
  }
  EXPECT_GT(files, 10);
  EXPECT_FALSE(absl::StrContains(ReadFile(Secret("tokens.json")).value_or(""),
                                 tokens_.front().substr(tokens_.front().rfind('_') + 1)));
  const auto mode = fs::status(Secret("tokens.json")).permissions();
  EXPECT_EQ(mode, fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace rwku::e2e
