#include "net/security/channel_credentials.h"

#include <filesystem>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "net/security/token.h"
#include "tests/testing/certificates.h"
#include "tests/testing/temporary_folder.h"

namespace rwku::net {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string name;
  ChannelSecurity security;
  bool loopback;
  std::string message;  // empty: accepted
};

TEST(ChannelCredentialsTest, WhatGoesTogetherAndWhatDoesNot) {
  const testing::CertificateAuthority authority("a");
  const testing::PemPair pair = authority.Issue("w", {});
  const testing::TemporaryFolder folder;
  const auto file = [&folder](const std::string& name, const std::string& contents) {
    std::string path = folder / name;
    EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  };
  const std::string ca = file("cc-ca.pem", authority.certificate());
  const std::string certificate = file("cc.pem", pair.certificate);
  const std::string key = file("cc.key", pair.key);
  const std::string token = NewToken("x");
  const std::string token_file = file("cc.token", token + "\n");
  const std::string open_ca = file("cc-open-ca.pem", authority.certificate());
  std::filesystem::permissions(open_ca, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  const std::string text = file("cc.text", "hello");
  const auto with = [](const std::function<void(ChannelSecurity&)>& set) {
    ChannelSecurity security;
    set(security);
    return security;
  };
  const ChannelSecurity tls = with([&](auto& s) { s.tls_ca = ca; });
  ChannelSecurity all = tls;
  all.tls_certificate = certificate;
  all.tls_key = key;
  all.token_file = token_file;
  ChannelSecurity without_key = all;
  without_key.tls_key.clear();
  ChannelSecurity without_certificate = all;
  without_certificate.tls_certificate.clear();
  ChannelSecurity without_ca = all;
  without_ca.tls_ca.clear();
  for (const Case& test : std::vector<Case>{
           {"nothing", {}, false, ""},
           {"TLS", tls, false, ""},
           {"TLS, certificate, token", all, false, ""},
           {"token to loopback", with([&](auto& s) { s.token = token; }), true, ""},
           {"token beyond", with([&](auto& s) { s.token = token; }), false,
            "RWKU_TOKEN: a token is not sent"},
           {"token file beyond", with([&](auto& s) { s.token_file = token_file; }), false,
            "--token-file: a token is not"},
           {"name without TLS", with([](auto& s) { s.tls_server_name = std::string("x"); }), true,
            "--tls-server-name: needs TLS"},
           {"certificate without TLS", without_ca, true, "--tls-certificate: needs TLS"},
           {"no key", without_key, true, "--tls-key: missing"},
           {"no certificate", without_certificate, true, "--tls-certificate: missing"},
           {"no CA file", with([](auto& s) { s.tls_ca = std::string("/none"); }), true,
            "--tls-ca: cannot open /none"},
           {"no PEM", with([&](auto& s) { s.tls_ca = text; }), true, "holds no certificate"},
           {"CA for all to write", with([&](auto& s) { s.tls_ca = open_ca; }), true,
            "--tls-ca: " + open_ca + " has the mode 0602"},
           {"token for a file", with([&](auto& s) { s.token_file = token; }), true,
            "--token-file: holds a token, not the name of a file"},
           {"no token file", with([](auto& s) { s.token_file = std::string("/none"); }), true,
            "--token-file: cannot read /none"},
           {"no token", with([&](auto& s) { s.token_file = text; }), true, "--token-file: "}}) {
    SCOPED_TRACE(test.name);
    const auto credentials = MakeChannelCredentials(test.security, test.loopback);
    EXPECT_EQ(credentials.ok(), test.message.empty()) << credentials.status();
    EXPECT_THAT(std::string(credentials.status().message()), HasSubstr(test.message));
  }
}

}  // namespace
}  // namespace rwku::net
