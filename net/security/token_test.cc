#include "net/security/token.h"

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/file.h"
#include "net/security/token_file.h"
#include "net/security/token_source.h"
#include "tests/testing/resource_limit.h"
#include "tests/testing/temporary_folder.h"

namespace rwku::net {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

TokenRecord RecordOf(const std::string& id) {
  return {.id = id,
          .sha256 = TokenHash(NewToken(id)),
          .role = Role::kViewer,
          .created = absl::FromUnixSeconds(1'700'000'000),
          .expires = absl::InfiniteFuture(),
          .revoked = std::nullopt,
          .comment = ""};
}

TEST(TokenTest, ATokenTellsItsIdAndNoTwoAreAlike) {
  const std::string token = NewToken("ci-1");
  EXPECT_EQ(TokenIdOf(token), "ci-1");
  EXPECT_EQ(token.size(), std::string("rwku_ci-1_").size() + 64);
  EXPECT_NE(token, NewToken("ci-1"));
  EXPECT_NE(TokenHash(token), TokenHash(NewToken("ci-1")));
}

TEST(TokenTest, OtherTextsAreNoTokens) {
  const std::string secret(64, 'a');
  EXPECT_TRUE(TokenIdOf("rwku_x_" + secret));
  for (const std::string& text :
       {std::string(), std::string("rwku_"), "rwku__" + secret, "x_" + secret, "rwku_X_" + secret,
        "rwku_a_b_" + secret, "rwku_x_" + secret + "a", "rwku_x_" + std::string(64, 'G'),
        "rwku_" + std::string(33, 'x') + "_" + secret, "rwku_x_" + secret + "\n"}) {
    EXPECT_FALSE(TokenIdOf(text)) << text;
  }
}

TEST(TokenTest, RecordsSurviveTheirFile) {
  std::vector<TokenRecord> records = {RecordOf("a"), RecordOf("b")};
  records[0].role = Role::kWorker;
  records[1].expires = absl::FromUnixSeconds(1'800'000'000);
  records[1].revoked = absl::FromUnixSeconds(1'750'000'000);
  records[1].comment = "of \"CI\"";
  const auto read = ParseTokens(FormatTokens(records), "f");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[0].role, Role::kWorker);
  EXPECT_EQ((*read)[0].expires, absl::InfiniteFuture());
  EXPECT_EQ((*read)[0].sha256, records[0].sha256);
  EXPECT_EQ((*read)[1].expires, records[1].expires);
  EXPECT_EQ((*read)[1].revoked, records[1].revoked);
  EXPECT_EQ((*read)[1].created, records[1].created);
  EXPECT_EQ((*read)[1].comment, records[1].comment);
}

TEST(TokenTest, ErrorsNameFileRecordAndField) {
  const std::string good = FormatTokens({RecordOf("a"), RecordOf("b")});
  const auto with = [&good](const std::string& from, const std::string& to) {
    return absl::StrReplaceAll(good, {{from, to}});
  };
  struct Case {
    std::string text;
    std::string message;
  };
  for (const Case& test : std::vector<Case>{
           {"", "tokens.json: is no JSON object"},
           {"[]", "tokens.json: is no JSON object"},
           {R"({"tokens": [1]})", "tokens.json: token 1: is no object"},
           {with("\"b\"", "\"B\""), "tokens.json: token 2, field \"id\""},
           {with("\"b\"", "\"a\""), "token 2 (a), field \"id\": is that of an earlier token"},
           {with("viewer", "root"), "token 1 (a), field \"role\": \"root\" is no role; allowed"},
           {with("\"never\"", "\"soon\""), "token 1 (a), field \"expires\""},
           {with("\"never\"", "7"), "token 1 (a), field \"expires\": is no text"},
           {with("\"expires\"", "\"expries\""), "field \"expries\": is no field of a token"},
           {with("\"created\"", "\"revoked\""), "field \"created\": is missing"},
           {with("\"sha256\": \"", "\"sha256\": \"x"), "token 1 (a), field \"sha256\""}}) {
    const auto read = ParseTokens(test.text, "tokens.json");
    ASSERT_FALSE(read.ok()) << test.text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(test.message));
  }
}

TEST(TokenTest, EqualityIsOfLengthAndContents) {
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
}

TEST(TokenFileTest, IsMadeForTheOwnerAloneAndKeepsItsMode) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "made.json";
  const auto add = [](const std::string& id) {
    return [id](std::vector<TokenRecord>* tokens) {
      tokens->push_back(RecordOf(id));
      return absl::OkStatus();
    };
  };
  ASSERT_TRUE(EditTokens(path, add("a")).ok());
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  ASSERT_TRUE(EditTokens(path, add("b")).ok());
  EXPECT_NE(fs::status(path).permissions() & fs::perms::group_read, fs::perms::none);
  EXPECT_EQ(ReadTokens(path)->size(), 2U);
}

TEST(TokenFileTest, AnErrorLeavesItAsItIs) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "kept.json";
  EXPECT_FALSE(EditTokens(path, [](auto*) { return absl::NotFoundError("x"); }).ok());
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(WriteFileAtomically(path, "broken").ok());
  EXPECT_FALSE(EditTokens(path, [](auto*) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(*ReadFile(path), "broken");
}

TEST(TokenFileTest, EditorsAtTheSameTimeLoseNothing) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "shared.json";
  std::vector<std::thread> editors;
  for (int i = 0; i < 8; ++i) {
    editors.emplace_back([&path, i] {
      for (int j = 0; j < 5; ++j) {
        EXPECT_TRUE(EditTokens(path, [&](std::vector<TokenRecord>* tokens) {
                      tokens->push_back(RecordOf(absl::StrCat("t", i, "-", j)));
                      return absl::OkStatus();
                    }).ok());
      }
    });
  }
  for (std::thread& editor : editors) {
    editor.join();
  }
  EXPECT_EQ(ReadTokens(path)->size(), 40U);
}

TEST(TokenSourceTest, RefusesWhatIsNoTokenWithoutShowingIt) {
  const auto source = TokenSource::FromText("RWKU_TOKEN", "hunter2");
  ASSERT_FALSE(source.ok());
  EXPECT_THAT(std::string(source.status().message()), HasSubstr("RWKU_TOKEN: found 7 bytes"));
  EXPECT_THAT(std::string(source.status().message()), Not(HasSubstr("hunter2")));
}

TEST(TokenSourceTest, ATokenInPlaceOfTheFilesNameIsNotShown) {
  const std::string token = NewToken("x");
  for (const std::string& path :
       {token, "Bearer " + token, token + "\n", token.substr(0, 40), "./" + token}) {
    const auto source = TokenSource::FromFile(path);
    ASSERT_FALSE(source.ok());
    EXPECT_EQ(source.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(source.status().message(), "--token-file: holds a token, not the name of a file");
  }
  for (const char* path : {"/none/rwku_token", "/rwku_x/0123456789abcdef0123456789abcdef/token",
                           "rwku_ci_token", "rwku_"}) {
    EXPECT_THAT(std::string(TokenSource::FromFile(path).status().message()), HasSubstr(path));
  }
}

TEST(TokenSourceTest, WhatCouldNotBeReadOnceIsReadLater) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "mine.token";
  const auto write = [&path](const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  };
  const std::string first = NewToken("x");
  const std::string second = NewToken("x");
  write(first);
  const auto source = TokenSource::FromFile(path);
  ASSERT_TRUE(source.ok()) << source.status();
  write(second);
  {
    const testing::ResourceLimit none(RLIMIT_NOFILE, 0);
    EXPECT_EQ((*source)->Token(), first);
  }
  EXPECT_EQ((*source)->Token(), second);

  // Made readable for its owner alone after it was written.
  const std::string third = NewToken("x");
  write(third);
  fs::permissions(path, fs::perms::others_read, fs::perm_options::add);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ((*source)->Token(), second);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("chmod 600"));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ((*source)->Token(), second);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  fs::permissions(path, fs::perms::others_read, fs::perm_options::remove);
  EXPECT_EQ((*source)->Token(), third);
}

TEST(TokenSourceTest, AFileForEverybodyIsRefused) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "open.token";
  ASSERT_TRUE(WriteFileAtomically(path, NewToken("x")).ok());
  fs::permissions(path, fs::perms::others_read, fs::perm_options::add);
  const auto source = TokenSource::FromFile(path);
  ASSERT_FALSE(source.ok());
  EXPECT_THAT(std::string(source.status().message()), HasSubstr("--token-file: " + path));
}

}  // namespace
}  // namespace rwku::net
