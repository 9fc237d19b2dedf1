#include "net/security/tls_files.h"

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/file.h"
#include "tests/testing/certificates.h"
#include "tests/testing/resource_limit.h"
#include "tests/testing/temporary_folder.h"

namespace rwku::net {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The system's, moved: certificates are made for the system's time.
class MovedClock final : public Clock {
 public:
  absl::Time Now() const override { return RealClock().Now() + by; }
  absl::Duration Monotonic() const override { return RealClock().Monotonic(); }

  absl::Duration by;
};

class TlsFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteFile(paths_.ca, authority_.certificate());
    WriteCertificate("first");
    auto files = TlsFiles::Create(paths_, &clock_);
    ASSERT_TRUE(files.ok()) << files.status();
    files_ = *std::move(files);
  }
  void WriteFile(const std::string& path, const std::string& contents) {
    ASSERT_TRUE(WriteFileAtomically(path, contents).ok());
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  void WriteCertificate(const std::string& name) {
    const testing::PemPair pair = authority_.Issue(name, {});
    WriteFile(paths_.certificate, pair.certificate);
    WriteFile(paths_.key, pair.key);
  }
  // Whose certificate is served; what is logged on the way goes to log_.
  std::string Subject() {
    ::testing::internal::CaptureStderr();
    std::string subject = files_->Current()->subject;
    log_ = ::testing::internal::GetCapturedStderr();
    return subject;
  }

  const testing::TemporaryFolder folder_;
  const TlsPaths paths_ = {.certificate = folder_ / "server.pem",
                           .key = folder_ / "server.key",
                           .ca = folder_ / "ca.pem"};
  const testing::CertificateAuthority authority_{"test"};
  MovedClock clock_;
  std::unique_ptr<TlsFiles> files_;
  std::string log_;
};

TEST_F(TlsFilesTest, ACertificateThatIsNotValidYetIsTakenOnceItIs) {
  clock_.by = -absl::Hours(2);  // certificates are valid from an hour ago
  WriteCertificate("second");
  EXPECT_EQ(Subject(), "CN=first,O=rwku");
  EXPECT_THAT(log_, HasSubstr("--tls-certificate: " + paths_.certificate + " is not valid before"));
  EXPECT_EQ(Subject(), "CN=first,O=rwku");
  EXPECT_EQ(log_, "");
  EXPECT_FALSE(TlsFiles::Create(paths_, &clock_).ok());
  clock_.by = absl::ZeroDuration();
  EXPECT_EQ(Subject(), "CN=second,O=rwku");
  EXPECT_THAT(log_, HasSubstr("certificates read again"));
  EXPECT_EQ(Subject(), "CN=second,O=rwku");
  EXPECT_EQ(log_, "");
}

TEST_F(TlsFilesTest, WhatCouldNotBeReadOnceIsReadLater) {
  WriteCertificate("second");
  {
    const testing::ResourceLimit none(RLIMIT_NOFILE, 0);
    EXPECT_EQ(files_->Current()->subject, "CN=first,O=rwku");
  }
  EXPECT_EQ(Subject(), "CN=second,O=rwku");
}

TEST_F(TlsFilesTest, AKeyWhoseModeIsMendedIsTaken) {
  WriteCertificate("second");
  fs::permissions(paths_.key, fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(Subject(), "CN=first,O=rwku");
  EXPECT_THAT(log_, HasSubstr("chmod 600"));
  fs::permissions(paths_.key, fs::perms::others_read, fs::perm_options::remove);
  EXPECT_EQ(Subject(), "CN=second,O=rwku");
}

TEST_F(TlsFilesTest, AnAuthoritysFileThatEverybodyMayWriteIsRefused) {
  fs::permissions(paths_.ca, fs::perms::others_write, fs::perm_options::add);
  int64_t version = 0;
  files_->Current(&version);
  EXPECT_EQ(version, 1);
  TlsPaths paths = paths_;
  paths.ca_flag = "--tls-client-ca";
  const auto files = TlsFiles::Create(paths, &clock_);
  ASSERT_FALSE(files.ok());
  EXPECT_THAT(std::string(files.status().message()), HasSubstr("--tls-client-ca: " + paths.ca));
  EXPECT_THAT(std::string(files.status().message()), HasSubstr("chmod o-w"));
}

TEST_F(TlsFilesTest, AChangedModeAloneShowsInTheStamp) {
  const FileStamp before = StampOf(paths_.key);
  EXPECT_EQ(StampOf(paths_.key), before);
  // The change's time has the grain of the kernel's clock.
  while (StampOf(paths_.key) == before) {
    fs::permissions(paths_.key, fs::perms::group_read, fs::perm_options::add);
  }
  EXPECT_EQ(StampOf(paths_.key).modified_ns, before.modified_ns);
}

}  // namespace
}  // namespace rwku::net
