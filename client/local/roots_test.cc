#include "client/local/roots.h"

#include <unistd.h>

#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "net/server.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A store with one run.
class OneRunService final : public v1::UnlearningService::Service {
 public:
  grpc::Status ListRuns(grpc::ServerContext* /*context*/, const v1::ListRunsRequest* /*request*/,
                        v1::ListRunsResponse* response) override {
    response->add_runs()->set_name("runs/r7");
    response->mutable_runs(0)->set_state(state);
    return grpc::Status::OK;
  }

  v1::RunState state = v1::RUN_STATE_RUNNING;
};

class RootsTest : public ::testing::Test {
 protected:
  RootsTest()
      : folder_(fs::path(::testing::TempDir()) /
                absl::StrCat("roots_test_", getpid(), "_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->name())),
        server_(*net::Server::Start({}, {&service_})) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    client::ClientOptions options;
    options.server = server_->address();
    options.clock = &clock_;
    client_ = *client::Client::Create(options);
  }
  ~RootsTest() override { fs::remove_all(folder_); }

  absl::Status Claim(const Roots& roots) { return ClaimRoots(folder_, roots, *client_); }
  std::optional<Roots> Recorded() { return *ReadRoots(folder_); }

  const RealClock clock_;
  const fs::path folder_;
  OneRunService service_;
  std::unique_ptr<net::Server> server_;
  std::unique_ptr<client::Client> client_;
};

const Roots kFirst = {"/a/models", "/a/\"data\""};
const Roots kSecond = {"/b/models", "/a/\"data\""};

TEST_F(RootsTest, TheFirstClaimIsRecorded) {
  EXPECT_EQ(Recorded(), std::nullopt);
  ASSERT_TRUE(Claim(kFirst).ok());
  EXPECT_EQ(Recorded(), kFirst);
  EXPECT_TRUE(Claim(kFirst).ok());
}

TEST_F(RootsTest, OtherRootsAreRefusedWhileARunIsUnfinished) {
  ASSERT_TRUE(Claim(kFirst).ok());
  const absl::Status status = Claim(kSecond);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("unfinished runs (runs/r7) of models \"/a/models\""),
                    HasSubstr("this command is for models \"/b/models\""),
                    HasSubstr("another --data-dir")));
  EXPECT_EQ(Recorded(), kFirst);
}

TEST_F(RootsTest, OtherRootsReplaceTheRecordOnceEveryRunHasEnded) {
  ASSERT_TRUE(Claim(kFirst).ok());
  service_.state = v1::RUN_STATE_CANCELLED;
  EXPECT_TRUE(Claim(kSecond).ok());
  EXPECT_EQ(Recorded(), kSecond);
}

TEST_F(RootsTest, ARecordThatCannotBeUnderstoodIsAnErrorThatNamesTheFile) {
  for (const char* text :
       {"", "{", "[]", R"({"models": "/a"})", R"({"models": 1, "datasets": ""})"}) {
    std::ofstream(folder_ / "roots.json") << text;
    const absl::Status status = ReadRoots(folder_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr((folder_ / "roots.json").string()));
  }
}

TEST_F(RootsTest, OneFolderHasOneCanonicalPath) {
  fs::create_directories(folder_ / "models");
  fs::create_directory_symlink(folder_ / "models", folder_ / "link");
  const std::string models = fs::canonical(folder_ / "models").string();
  EXPECT_EQ(CanonicalFolder(folder_ / "models"), models);
  EXPECT_EQ(CanonicalFolder(folder_ / "models/"), models);
  EXPECT_EQ(CanonicalFolder(folder_ / "link" / ".." / "models" / "."), models);
  EXPECT_EQ(CanonicalFolder(fs::relative(folder_ / "link")), models);
  EXPECT_EQ(CanonicalFolder("nowhere"), (fs::current_path() / "nowhere").string());
}

}  // namespace
}  // namespace rwku::local
