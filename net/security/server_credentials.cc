#include "net/security/server_credentials.h"

#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>

namespace rwku::net {
namespace {

absl::string_view View(const grpc_slice& slice) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): gRPC's slices are bytes.
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

std::string Certificate(absl::string_view subject, const std::vector<std::string>& names) {
  return subject.empty() ? absl::StrJoin(names, ",") : std::string(subject);
}

// What the connection says, which gRPC keeps as properties.
void AddConnection(const grpc_auth_context* context, CallFacts* facts) {
  std::string subject;
  std::vector<std::string> names;
  grpc_auth_property_iterator it = grpc_auth_context_property_iterator(context);
  while (const grpc_auth_property* property = grpc_auth_property_iterator_next(&it)) {
    const absl::string_view name = property->name;
    const std::string value(property->value, property->value_length);
    if (name == GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME) {
      facts->encrypted = value == GRPC_SSL_TRANSPORT_SECURITY_TYPE;
    } else if (name == GRPC_X509_SUBJECT_PROPERTY_NAME) {
      subject = value;
    } else if (name == GRPC_X509_SAN_PROPERTY_NAME) {
      names.push_back(value);
    }
  }
  facts->certificate = Certificate(subject, names);
}

// gRPC's C++ interface has neither certificates that are fetched for each connection nor a
// processor of metadata on unencrypted ports; the C interface below it has both.
class Credentials final : public grpc::ServerCredentials {
 public:
  Credentials(TlsFiles* tls, CallCheck check) : tls_(tls), check_(std::move(check)) {
    if (tls_ == nullptr) {
      credentials_ = grpc_insecure_server_credentials_create();
    } else {
      const bool ask = !tls_->Current()->ca.empty();
      credentials_ = grpc_ssl_server_credentials_create_with_options(
          grpc_ssl_server_credentials_create_options_using_config_fetcher(
              ask ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                  : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
              Fetch, this));
    }
    if (check_) {
      grpc_server_credentials_set_auth_metadata_processor(credentials_, {Check, nullptr, this});
    }
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // Called for every new connection, one after another.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    auto* const credentials = static_cast<Credentials*>(self);
    int64_t version = 0;
    const std::shared_ptr<const TlsMaterial> material = credentials->tls_->Current(&version);
    if (version == credentials->served_version_) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair{material->key.c_str(), material->certificate.c_str()};
    // gRPC aborts without trusted certificates, though none are needed where no client is asked for
    // its own; then ours stand in, and are never looked at.
    const std::string& trusted = material->ca.empty() ? material->certificate : material->ca;
    *config = grpc_ssl_server_certificate_config_create(trusted.c_str(), &pair, 1);
    credentials->served_version_ = version;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  static void Check(void* self, grpc_auth_context* context, const grpc_metadata* metadata,
                    size_t count, grpc_process_auth_metadata_done_cb done, void* user_data) {
    CallFacts facts;
    bool found = false;  // an authorization, which may be empty
    for (size_t i = 0; i < count; ++i) {
      const absl::string_view key = View(metadata[i].key);
      if (key == ":path") {
        facts.method = View(metadata[i].value);
      } else if (key == "authorization") {
        facts.several_authorizations |= found;
        found = true;
        facts.authorization = View(metadata[i].value);
      }
    }
    AddConnection(context, &facts);
    const grpc::Status status = static_cast<Credentials*>(self)->check_(facts);
    done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.error_code()),
         status.ok() ? nullptr : status.error_message().c_str());
  }

  TlsFiles* const tls_;
  const CallCheck check_;
  grpc_server_credentials* credentials_ = nullptr;
  int64_t served_version_ = 0;  // of Fetch alone
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(TlsFiles* tls, CallCheck check) {
  return std::make_shared<Credentials>(tls, std::move(check));
}

std::string ClientCertificate(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  const auto values = [&auth](const char* name) {
    std::vector<std::string> result;
    for (const grpc::string_ref& value : auth->FindPropertyValues(name)) {
      result.emplace_back(value.data(), value.size());
    }
    return result;
  };
  const std::vector<std::string> subject = values(GRPC_X509_SUBJECT_PROPERTY_NAME);
  return Certificate(subject.empty() ? "" : subject.front(), values(GRPC_X509_SAN_PROPERTY_NAME));
}

}  // namespace rwku::net
