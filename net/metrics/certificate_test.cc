#include "net/metrics/certificate.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/file.h"

namespace rwku::net {
namespace {

using ::testing::HasSubstr;

// A self-signed certificate that ends at `end`, as PEM.
std::string MakeCertificate(absl::Time end) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(end - absl::Hours(24)));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(end));
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(bio.get(), certificate.get());
  char* text = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(bio.get(), &text));
  return {text, size};
}

class CertificateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("certificate_", getpid());
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(root_ / name, text).ok());
    return (root_ / name).string();
  }

  std::filesystem::path root_;
  const absl::Time end_ = absl::FromUnixSeconds(2000000000);
};

TEST_F(CertificateTest, AChainEndsWithItsFirstToEnd) {
  const std::string path =
      Write("chain.pem", MakeCertificate(end_ + absl::Hours(1)) + MakeCertificate(end_) +
                             "text between\n" + MakeCertificate(end_ + absl::Hours(2)));
  const auto expiry = CertificateExpiry(path);
  ASSERT_TRUE(expiry.ok()) << expiry.status();
  EXPECT_EQ(*expiry, end_);
}

TEST_F(CertificateTest, WhatIsNoCertificateIsNamed) {
  const std::string certificate = MakeCertificate(end_);
  const struct {
    std::string text;
    const char* message;
  } cases[] = {{"", "no certificate in it"},
               {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"},
               {certificate + certificate.substr(0, certificate.size() / 2), "cannot be read"}};
  for (const auto& item : cases) {
    const std::string path = Write("bad.pem", item.text);
    const auto expiry = CertificateExpiry(path);
    EXPECT_EQ(expiry.status().code(), absl::StatusCode::kInvalidArgument) << item.text;
    EXPECT_THAT(expiry.status().message(), HasSubstr(item.message));
    EXPECT_THAT(expiry.status().message(), HasSubstr(path));
  }
  EXPECT_EQ(CertificateExpiry((root_ / "none.pem").string()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CertificateTest, ARotatedFileShowsAndAMissingOneDoesNot) {
  const std::string path = Write("server.pem", MakeCertificate(end_));
  const CertificateMetrics metrics(
      "rwku_test_expiry", {{"server", path}, {"off", ""}, {"gone", (root_ / "gone.pem").string()}});
  auto families = metrics.Collect();
  ASSERT_EQ(families.size(), 1U);
  ASSERT_EQ(families[0].metric.size(), 1U);
  EXPECT_EQ(families[0].metric[0].gauge.value, 2000000000);
  EXPECT_EQ(families[0].metric[0].label[0].value, "server");
  Write("server.pem", MakeCertificate(end_ + absl::Hours(1)));
  families = metrics.Collect();
  EXPECT_EQ(families[0].metric[0].gauge.value, 2000003600);
}

}  // namespace
}  // namespace rwku::net
