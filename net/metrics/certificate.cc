#include "net/metrics/certificate.h"

#include <algorithm>
#include <ctime>
#include <memory>

#include "absl/strings/str_cat.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "base/status_macros.h"
#include "net/metrics/sample.h"

namespace rwku::net {
namespace {

absl::Status Unreadable(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

}  // namespace

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path) {
  RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  absl::Time earliest = absl::InfiniteFuture();
  while (true) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (certificate == nullptr) {
      const auto error = ERR_peek_last_error();
      ERR_clear_error();
      if (ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
        return Unreadable(path, "a certificate in it cannot be read");
      }
      break;  // no more of them
    }
    std::tm time{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) {
      return Unreadable(path, "the end of a certificate in it cannot be read");
    }
    earliest = std::min(earliest, absl::FromTM(time, absl::UTCTimeZone()));
  }
  if (earliest == absl::InfiniteFuture()) {
    return Unreadable(path, "no certificate in it, expected a PEM file with at least one");
  }
  return earliest;
}

std::vector<prometheus::MetricFamily> CertificateMetrics::Collect() const {
  prometheus::MetricFamily family =
      GaugeFamily(name_, "End of the certificate, in seconds since 1970 UTC.");
  for (const auto& [label, path] : files_) {
    if (path.empty()) {
      continue;
    }
    if (const absl::StatusOr<absl::Time> expiry = CertificateExpiry(path); expiry.ok()) {
      AddSample(&family, {{"certificate", label}},
                static_cast<double>(absl::ToUnixSeconds(*expiry)));
    }
  }
  if (family.metric.empty()) {
    return {};
  }
  return {std::move(family)};
}

}  // namespace rwku::net
