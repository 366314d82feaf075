#include "rpc/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rpc/check_call.h"
#include "rpc/decide_call.h"

namespace quota::rpc {
namespace {

constexpr int kMaxMessageBytes = 4 * 1024 * 1024;

absl::StatusOr<std::string> read_pem(const char* setting, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(setting, ": cannot read ", path,
                                                   "; it must be a PEM file that quotad may read"));
  }
  return content.str();
}

// gRPC itself would say nothing and serve nobody.
absl::Status check_pair(const ServerOptions& options, const std::string& cert,
                        const std::string& key) {
  const auto in_memory = [](const std::string& pem) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  };
  // Nobody is there to be asked for the passphrase of a key.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(in_memory(cert).get(), nullptr, nullptr, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> secret(
      PEM_read_bio_PrivateKey(in_memory(key).get(), nullptr, no_passphrase, nullptr),
      EVP_PKEY_free);
  const bool fits =
      certificate && secret && X509_check_private_key(certificate.get(), secret.get()) == 1;
  ERR_clear_error();
  if (!certificate) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls_cert: ", options.tls_cert, " holds no certificate in PEM"));
  }
  if (!secret) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tls_key: ", options.tls_key, " holds no private key in PEM, or one with a passphrase"));
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls_key: the key in ", options.tls_key, " is not that of the certificate in ",
                     options.tls_cert, "; give the two that belong together"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials(const ServerOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  const auto cert = read_pem("tls_cert", options.tls_cert);
  if (!cert.ok()) return cert.status();
  const auto key = read_pem("tls_key", options.tls_key);
  if (!key.ok()) return key.status();
  if (absl::Status status = check_pair(options, *cert, *key); !status.ok()) return status;
  tls.pem_key_cert_pairs.push_back({*key, *cert});
  if (!options.tls_client_ca.empty()) {
    const auto ca = read_pem("tls_client_ca", options.tls_client_ca);
    if (!ca.ok()) return ca.status();
    tls.pem_root_certs = *ca;
    tls.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(tls);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                                      const MakeDecider& make_decider,
                                                      std::vector<std::unique_ptr<Door>> doors) {
  std::unique_ptr<Server> self(new Server);
  self->doors_ = std::move(doors);
  const auto creds = credentials(options);
  if (!creds.ok()) return creds.status();

  // gRPC's own lines are for those who debug gRPC; a failure is told by the status below.
  gpr_set_log_function([](gpr_log_func_args* line) {
    spdlog::debug("grpc: {} ({}:{})", line->message, line->file, line->line);
  });
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // On a local connection the probes that size windows are pure cost.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  self->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, *creds);
  builder.RegisterService(&self->service_);
  for (const auto& door : self->doors_) builder.RegisterService(&door->service());
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> cqs;
  for (int i = 0; i < options.threads; ++i) cqs.push_back(builder.AddCompletionQueue());

  self->server_ = builder.BuildAndStart();
  if (self->server_ == nullptr) {
    for (auto& cq : cqs) {
      cq->Shutdown();
      void* tag;
      bool ok;
      while (cq->Next(&tag, &ok)) {
      }
    }
    return absl::InternalError("gRPC could not start its server; log_level debug shows why");
  }
  for (int i = 0; i < options.threads; ++i) {
    self->queues_.push_back(
        std::make_unique<Queue>(std::move(cqs[static_cast<size_t>(i)]), make_decider(i)));
  }
  // The server as a whole ("") is registered by gRPC itself.
  if (grpc::HealthCheckServiceInterface* health = self->server_->GetHealthCheckService()) {
    health->SetServingStatus(quota::v1::QuotaService::service_full_name(), true);
    for (const auto& door : self->doors_) health->SetServingStatus(door->name(), true);
  }
  for (const auto& queue : self->queues_) {
    DecideCall::await(self->service_, *queue);
    CheckCall::await(self->service_, *queue);
    for (const auto& door : self->doors_) door->open(*queue);
    self->threads_.emplace_back([&queue = *queue] { queue.run(); });
  }
  return self;
}

void Server::adopt(Fd socket) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = socket.release();
  acceptor_->HandleNewConnection(&connection);
}

Server::~Server() { drain(std::chrono::milliseconds(0)); }

void Server::drain(std::chrono::milliseconds patience) {
  if (server_ == nullptr) return;
  if (grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService()) {
    health->SetServingStatus(false);
  }
  server_->Shutdown(std::chrono::system_clock::now() + patience);
  for (const auto& queue : queues_) queue->shut_down();
  if (threads_.empty()) {  // never started: nobody else empties the queues
    for (const auto& queue : queues_) queue->run();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  server_.reset();
}

}  // namespace quota::rpc
