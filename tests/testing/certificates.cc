#include "tests/testing/certificates.h"

#include <atomic>
#include <ctime>
#include <utility>

#include "absl/strings/str_join.h"
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace rwku::testing {
namespace {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Certificate = std::unique_ptr<X509, X509Deleter>;
using Bio = std::unique_ptr<BIO, BioDeleter>;

std::string Contents(const Bio& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string Pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  RWKU_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return Contents(bio);
}

std::string Pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  RWKU_CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Contents(bio);
}

void AddName(X509_NAME* name, const char* field, const std::string& value) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned.
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.c_str());
  RWKU_CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, -1, -1, 0) == 1);
}

void AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  RWKU_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Everything but the issuer and the signature.
Certificate NewCertificate(const std::string& name, EVP_PKEY* key, absl::Duration validity) {
  static std::atomic<int> serial = 1;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial.fetch_add(1));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), absl::ToInt64Seconds(validity));
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  AddName(subject, "O", "rwku");
  AddName(subject, "CN", name);
  return certificate;
}

}  // namespace

struct CertificateAuthority::State {
  Key key;
  Certificate certificate;
};

CertificateAuthority::CertificateAuthority(const std::string& name)
    : state_(std::make_unique<State>()) {
  state_->key.reset(EVP_EC_gen("P-256"));
  state_->certificate = NewCertificate(name, state_->key.get(), absl::Hours(24));
  X509* own = state_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  AddExtension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(own, own, NID_subject_key_identifier, "hash");
  RWKU_CHECK(X509_sign(own, state_->key.get(), EVP_sha256()) > 0);
  certificate_ = Pem(own);
}

CertificateAuthority::~CertificateAuthority() = default;

PemPair CertificateAuthority::Issue(const std::string& name,
                                    const std::vector<std::string>& alternative_names,
                                    absl::Duration validity) const {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = NewCertificate(name, key.get(), validity);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(state_->certificate.get()));
  if (!alternative_names.empty()) {
    AddExtension(certificate.get(), state_->certificate.get(), NID_subject_alt_name,
                 absl::StrJoin(alternative_names, ","));
  }
  RWKU_CHECK(X509_sign(certificate.get(), state_->key.get(), EVP_sha256()) > 0);
  return {.certificate = Pem(certificate.get()), .key = Pem(key.get())};
}

}  // namespace rwku::testing
