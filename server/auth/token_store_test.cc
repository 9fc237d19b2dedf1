#include "server/auth/token_store.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "server/auth/test_security.h"
#include "tests/testing/resource_limit.h"

namespace rwku::auth {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

size_t Occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

class TokenStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write();
    auto store = TokenStore::Create(path_, &clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Write() { WritePrivate(path_, net::FormatTokens({record_})); }
  Authentication Authenticate() const {
    return store_->Authenticate(absl::StrCat("Bearer ", token_));
  }
  // What was logged while the store polled.
  std::string Poll() {
    ::testing::internal::CaptureStderr();
    store_->Poll();
    return ::testing::internal::GetCapturedStderr();
  }

  FakeClock clock_;
  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "tokens.json";
  const std::string token_ = net::NewToken("ci");
  net::TokenRecord record_{.id = "ci",
                           .sha256 = net::TokenHash(token_),
                           .role = net::Role::kSubmitter,
                           .created = clock_.Now(),
                           .expires = clock_.Now() + absl::Hours(1),
                           .revoked = std::nullopt,
                           .comment = ""};
  std::unique_ptr<TokenStore> store_;
};

TEST_F(TokenStoreTest, TheIdentityIsKnownWheneverTheSecretWasRight) {
  EXPECT_TRUE(Authenticate().status.ok());
  const Identity identity = Authenticate().identity.value();
  EXPECT_EQ(identity.id, "ci");
  EXPECT_EQ(identity.role, net::Role::kSubmitter);
  EXPECT_TRUE(store_->Refresh(identity).ok());

  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(std::string(Authenticate().status.message()), HasSubstr("expired at"));
  EXPECT_EQ(Authenticate().identity.value().id, "ci");
  EXPECT_FALSE(store_->Refresh(identity).ok());

  record_.revoked = record_.created;
  Write();
  Poll();
  EXPECT_THAT(std::string(Authenticate().status.message()), HasSubstr("was revoked"));
  EXPECT_EQ(Authenticate().identity.value().role, net::Role::kSubmitter);

  const Authentication other = store_->Authenticate("Bearer " + net::NewToken("ci"));
  EXPECT_FALSE(other.identity);
  EXPECT_THAT(std::string(other.status.message()), Not(HasSubstr("ci")));
}

TEST_F(TokenStoreTest, ARevocationThatCouldNotBeReadIsReadLater) {
  record_.revoked = record_.created;
  Write();
  ::testing::internal::CaptureStderr();
  {
    const testing::ResourceLimit none(RLIMIT_NOFILE, 0);
    store_->Poll();
    store_->Poll();
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Occurrences(log, "Too many open files"), 1U) << log;
  EXPECT_TRUE(Authenticate().status.ok());
  EXPECT_THAT(Poll(), HasSubstr("tokens read again"));
  EXPECT_FALSE(Authenticate().status.ok());
  EXPECT_EQ(Poll(), "");
}

TEST_F(TokenStoreTest, ABrokenFileIsLoggedOnceAndAnotherProblemOnceMore) {
  WritePrivate(path_, "{");
  EXPECT_THAT(Poll(), HasSubstr("is no JSON object"));
  EXPECT_EQ(Poll(), "");
  fs::remove(path_);
  EXPECT_THAT(Poll(), HasSubstr("--tokens: cannot"));
  EXPECT_EQ(Poll(), "");
  EXPECT_TRUE(Authenticate().status.ok());
}

TEST_F(TokenStoreTest, AFileThatEverybodyMayWriteIsRefusedUntilItIsNot) {
  record_.revoked = record_.created;
  Write();
  fs::permissions(path_, fs::perms::others_write, fs::perm_options::add);
  const std::string log = Poll();
  EXPECT_THAT(log, HasSubstr("--tokens: " + path_));
  EXPECT_THAT(log, HasSubstr("chmod o-w"));
  EXPECT_TRUE(Authenticate().status.ok());
  EXPECT_FALSE(TokenStore::Create(path_, &clock_).ok());
  fs::permissions(path_, fs::perms::others_write, fs::perm_options::remove);
  Poll();
  EXPECT_FALSE(Authenticate().status.ok());
}

TEST_F(TokenStoreTest, AnotherSecretOfTheSameIdIsAnotherIdentity) {
  const Identity identity = Authenticate().identity.value();
  record_.sha256 = net::TokenHash(net::NewToken("ci"));
  Write();
  Poll();
  EXPECT_EQ(store_->Refresh(identity).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(TokenStoreTest, ATokenInPlaceOfTheFilesNameIsNotShown) {
  const auto store = TokenStore::Create(token_, &clock_);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().message(), "--tokens: holds a token, not the name of a file");
}

}  // namespace
}  // namespace rwku::auth
