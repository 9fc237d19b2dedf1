#include "net/security/tls_files.h"

#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace rwku::net {
namespace {

constexpr char kCertificateFlag[] = "--tls-certificate";
constexpr char kKeyFlag[] = "--tls-key";

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;
using Certificate = std::unique_ptr<X509, X509Deleter>;
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

// No passphrase: without this OpenSSL would ask for one on the terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return 0; }

absl::Status Wrong(absl::string_view flag, absl::string_view path, absl::string_view problem) {
  ERR_clear_error();
  return absl::FailedPreconditionError(absl::StrCat(flag, ": ", path, " ", problem));
}

absl::StatusOr<std::string> Read(const char* flag, const std::string& path) {
  absl::StatusOr<std::string> contents = ReadFile(path);
  if (!contents.ok()) {
    return absl::Status(contents.status().code(),
                        absl::StrCat(flag, ": ", contents.status().message()));
  }
  return contents;
}

// The first certificate of `pem`; an error if there is none or a later one cannot be read.
absl::StatusOr<Certificate> ParseChain(absl::string_view flag, const std::string& path,
                                       const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate first(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  if (first == nullptr) {
    return Wrong(flag, path, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  }
  while (true) {
    const Certificate next(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (next == nullptr) {
      break;
    }
  }
  const unsigned long problem = ERR_peek_last_error();  // NOLINT(google-runtime-int): OpenSSL's
  if (ERR_GET_LIB(problem) != ERR_LIB_PEM || ERR_GET_REASON(problem) != PEM_R_NO_START_LINE) {
    return Wrong(flag, path, "holds a certificate that cannot be read");
  }
  ERR_clear_error();
  return first;
}

std::string SubjectOf(const X509& certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsMaterial(const TlsPaths& paths, absl::Time now) {
  TlsMaterial material;
  if (paths.certificate.empty() != paths.key.empty()) {
    return absl::InvalidArgumentError(
        paths.key.empty() ? absl::StrCat(kKeyFlag, ": missing; ", kCertificateFlag, " ",
                                         paths.certificate, " needs its private key")
                          : absl::StrCat(kCertificateFlag, ": missing; ", kKeyFlag, " ", paths.key,
                                         " needs its certificate"));
  }
  if (!paths.certificate.empty()) {
    RWKU_ASSIGN_OR_RETURN(material.certificate, Read(kCertificateFlag, paths.certificate));
    RWKU_RETURN_IF_ERROR(CheckNotForAll(kKeyFlag, paths.key));
    RWKU_ASSIGN_OR_RETURN(material.key, Read(kKeyFlag, paths.key));
    RWKU_ASSIGN_OR_RETURN(const Certificate certificate,
                          ParseChain(kCertificateFlag, paths.certificate, material.certificate));
    const Bio bio(BIO_new_mem_buf(material.key.data(), static_cast<int>(material.key.size())));
    const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
    if (key == nullptr) {
      return Wrong(kKeyFlag, paths.key, "holds no private key in PEM, or an encrypted one");
    }
    if (X509_check_private_key(certificate.get(), key.get()) != 1) {
      return Wrong(kKeyFlag, paths.key,
                   absl::StrCat("is not the key of the certificate ", paths.certificate));
    }
    material.subject = SubjectOf(*certificate);
    material.not_after = ToTime(X509_get0_notAfter(certificate.get()));
    if (material.not_after <= now) {
      return Wrong(kCertificateFlag, paths.certificate,
                   absl::StrCat("expired at ", TimeText(material.not_after)));
    }
    if (const absl::Time start = ToTime(X509_get0_notBefore(certificate.get())); start > now) {
      return Wrong(kCertificateFlag, paths.certificate,
                   absl::StrCat("is not valid before ", TimeText(start)));
    }
  }
  if (!paths.ca.empty()) {
    RWKU_ASSIGN_OR_RETURN(material.ca, Read(paths.ca_flag.c_str(), paths.ca));
    RWKU_RETURN_IF_ERROR(CheckNotWritableForAll(paths.ca_flag, paths.ca));
    RWKU_RETURN_IF_ERROR(ParseChain(paths.ca_flag, paths.ca, material.ca).status());
  }
  return material;
}

absl::StatusOr<std::unique_ptr<TlsFiles>> TlsFiles::Create(TlsPaths paths, const Clock* clock) {
  std::unique_ptr<TlsFiles> files(new TlsFiles(std::move(paths), clock));
  const absl::MutexLock lock(&files->mu_);
  const Stamps stamps = files->Look();
  RWKU_ASSIGN_OR_RETURN(TlsMaterial material, ReadTlsMaterial(files->paths_, clock->Now()));
  files->current_ = std::make_shared<const TlsMaterial>(std::move(material));
  files->reload_.Succeeded(stamps);
  return files;
}

TlsFiles::Stamps TlsFiles::Look() const {
  return {StampOf(paths_.certificate), StampOf(paths_.key), StampOf(paths_.ca)};
}

std::shared_ptr<const TlsMaterial> TlsFiles::Current(int64_t* version) {
  const absl::MutexLock lock(&mu_);
  if (const Stamps now = Look(); reload_.IsDue(now)) {
    absl::StatusOr<TlsMaterial> material = ReadTlsMaterial(paths_, clock_->Now());
    if (material.ok()) {
      reload_.Succeeded(now);
      ++version_;
      current_ = std::make_shared<const TlsMaterial>(*std::move(material));
      RWKU_LOG(kInfo, "certificates read again")
          .With("subject", current_->subject)
          .With("not_after", TimeText(current_->not_after));
    } else if (reload_.IsNews(material.status())) {
      RWKU_LOG(kError, "changed certificates refused; the ones before them stay")
          .With("error", material.status().message());
    }
  }
  if (version != nullptr) {
    *version = version_;
  }
  return current_;
}

}  // namespace rwku::net
