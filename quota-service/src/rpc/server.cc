#include "rpc/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

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

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials(const ServerOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  const auto cert = read_pem("tls_cert", options.tls_cert);
  if (!cert.ok()) return cert.status();
  const auto key = read_pem("tls_key", options.tls_key);
  if (!key.ok()) return key.status();
  tls.pem_key_cert_pairs.push_back({*key, *cert});
  if (!options.tls_client_ca.empty()) {
    const auto ca = read_pem("tls_client_ca", options.tls_client_ca);
    if (!ca.ok()) return ca.status();
    tls.pem_root_certs = *ca;
    tls.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(tls);
}

std::string tcp_address(const ServerOptions& options) {
  const bool is_v6 = options.host.find(':') != std::string::npos;
  return is_v6 ? absl::StrCat("[", options.host, "]:", options.port)
               : absl::StrCat(options.host, ":", options.port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                                      const MakeDecider& make_decider,
                                                      std::vector<std::unique_ptr<Door>> doors) {
  std::unique_ptr<Server> self(new Server);
  self->doors_ = std::move(doors);
  const bool is_unix = !options.unix_path.empty();
  if (is_unix) {
    auto socket = ListenSocket::claim(options.unix_path);
    if (!socket.ok()) return socket.status();
    self->socket_.emplace(*std::move(socket));
  }
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
  // Two quotads on one TCP port would each see half of the traffic.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // On a local connection the probes that size windows are pure cost.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddListeningPort(
      is_unix ? absl::StrCat("unix:", options.unix_path) : tcp_address(options), *creds,
      &self->port_);
  builder.RegisterService(&self->service_);
  for (const auto& door : self->doors_) builder.RegisterService(&door->service());
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> cqs;
  for (int i = 0; i < options.threads; ++i) cqs.push_back(builder.AddCompletionQueue());

  // Nobody may connect before open_to() has said who may.
  const mode_t old_mask = umask(0177);
  self->server_ = builder.BuildAndStart();
  umask(old_mask);
  if (self->server_ == nullptr || (!is_unix && self->port_ == 0)) {
    for (auto& cq : cqs) {
      cq->Shutdown();
      void* tag;
      bool ok;
      while (cq->Next(&tag, &ok)) {
      }
    }
    if (self->server_ != nullptr) self->server_->Shutdown();
    self->server_.reset();
    return absl::FailedPreconditionError(absl::StrCat(
        "listen: cannot listen on ", is_unix ? options.unix_path : tcp_address(options),
        "; is the address in use, or the TLS key not that of the certificate?"));
  }
  for (int i = 0; i < options.threads; ++i) {
    self->queues_.push_back(
        std::make_unique<Queue>(std::move(cqs[static_cast<size_t>(i)]), make_decider(i)));
  }
  if (is_unix) {
    if (const absl::Status status =
            self->socket_->open_to(options.socket_mode, options.socket_group);
        !status.ok()) {
      return status;
    }
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
