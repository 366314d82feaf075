#include "redis/tls.h"

#include <utility>

#include "redis/client.h"

namespace quota::redis {
namespace {

class BrokenTls final : public Tls {
 public:
  explicit BrokenTls(absl::Status status) : status_(std::move(status)) {}
  absl::Status wrap(redisContext*, const std::string&) const override { return status_; }
  std::string last_error() const override { return std::string(status_.message()); }

 private:
  absl::Status status_;
};

}  // namespace

std::shared_ptr<const Tls> Tls::load_or_fail_later(const ClientOptions& options) {
  absl::StatusOr<std::shared_ptr<const Tls>> tls = load(options);
  return tls.ok() ? *std::move(tls) : std::make_shared<const BrokenTls>(tls.status());
}

}  // namespace quota::redis

#ifdef QUOTA_HAS_REDIS_TLS

#include <arpa/inet.h>
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace quota::redis {
namespace {

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

absl::Status failed(std::string_view what, const std::string& file) {
  char reason[256] = "";
  ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
  ERR_clear_error();
  return absl::InvalidArgumentError(fmt::format("{} {}: {}", what, file, reason));
}

class OpenSslTls final : public Tls {
 public:
  OpenSslTls(std::unique_ptr<SSL_CTX, Free> context, std::string server_name)
      : context_(std::move(context)), server_name_(std::move(server_name)) {}

  absl::Status wrap(redisContext* context, const std::string& host) const override {
    const std::string& name = server_name_.empty() ? host : server_name_;
    std::unique_ptr<SSL, Free> ssl(SSL_new(context_.get()));
    if (!ssl) return failed("no TLS for", name);
    in6_addr ignored{};
    const bool is_ip = inet_pton(AF_INET, name.c_str(), &ignored) == 1 ||
                       inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
    const bool set = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str())
                           : SSL_set1_host(ssl.get(), name.c_str()) == 1 &&
                                 SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1;
    if (!set) return failed("no TLS for", name);
    // hiredis frees it with the connection, but not when it fails.
    if (redisInitiateSSL(context, ssl.get()) != REDIS_OK) {
      return absl::UnavailableError(context->errstr);
    }
    ssl.release();
    return absl::OkStatus();
  }

  std::string last_error() const override {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    if (error == 0) return "TLS failed";
    char reason[256] = "";
    ERR_error_string_n(error, reason, sizeof(reason));
    return reason;
  }

 private:
  std::unique_ptr<SSL_CTX, Free> context_;
  std::string server_name_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Tls>> Tls::load(const ClientOptions& options) {
  if (!options.url.tls) return std::shared_ptr<const Tls>();
  std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return failed("no TLS:", "");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  // hiredis repeats a write from a buffer that may have moved.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) != 1) {
    return failed("cannot use the CA file", options.ca_file);
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("a TLS certificate and its key go together");
  }
  if (!options.cert_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.cert_file.c_str()) != 1) {
      return failed("cannot use the certificate file", options.cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) !=
        1) {
      return failed("cannot use the key file", options.key_file);
    }
  }
  return std::make_shared<const OpenSslTls>(std::move(context), options.server_name);
}

}  // namespace quota::redis

#else

namespace quota::redis {

absl::StatusOr<std::shared_ptr<const Tls>> Tls::load(const ClientOptions& options) {
  if (!options.url.tls) return std::shared_ptr<const Tls>();
  return absl::UnimplementedError("this quotad is built with a hiredis that has no TLS");
}

}  // namespace quota::redis

#endif
