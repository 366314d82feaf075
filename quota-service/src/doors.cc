#include "doors.h"

#include <utility>
#include <vector>

#include "rls/door.h"

namespace quota {
namespace {

// What comes over TLS is for gRPC to read.
bool gateways_are_served_apart(const config::Settings& settings) {
  return settings.tls_cert.empty();
}

rpc::ServerOptions server_options(const config::Settings& settings) {
  return {.tls_cert = settings.tls_cert,
          .tls_key = settings.tls_key,
          .tls_client_ca = settings.tls_client_ca,
          .threads = settings.threads};
}

rls::Options rls_options(const config::Settings& settings) {
  rls::Options options;
  options.body = settings.rls_body == "on";
  if (settings.rls_headers == "legacy") options.headers = rls::HeaderStyle::kLegacy;
  if (settings.rls_headers == "ietf") options.headers = rls::HeaderStyle::kIetf;
  if (settings.rls_headers == "off") options.headers = rls::HeaderStyle::kOff;
  if (settings.rls_on_error == "allow") options.on_error = rls::OnError::kAllow;
  if (settings.rls_on_error == "deny") options.on_error = rls::OnError::kDeny;
  return options;
}

// The gRPC services that are served besides quota.v1.
std::vector<std::unique_ptr<rpc::Door>> services(const config::Settings& settings) {
  std::vector<std::unique_ptr<rpc::Door>> doors;
  if (settings.rls == "on") {
    doors.push_back(std::make_unique<rls::RateLimitDoor>(rls_options(settings)));
  }
  return doors;
}

front::ListenOptions listen_options(const config::Settings& settings,
                                    const config::ListenAddress& listen) {
  return {.unix_path = listen.path,
          .host = listen.host,
          .port = listen.port,
          .socket_mode = settings.socket_mode,
          .socket_group = settings.socket_group};
}

}  // namespace

int Doors::threads(const config::Settings& settings) {
  return gateways_are_served_apart(settings) ? 2 * settings.threads : settings.threads;
}

absl::StatusOr<std::unique_ptr<Doors>> Doors::open(const config::Settings& settings,
                                                   const rpc::Server::MakeDecider& make_decider) {
  const auto listen = config::parse_listen(settings.listen);
  if (!listen.ok()) return listen.status();
  std::unique_ptr<Doors> self(new Doors);
  auto grpc = rpc::Server::start(server_options(settings), make_decider, services(settings));
  if (!grpc.ok()) return grpc.status();
  self->grpc_ = *std::move(grpc);
  auto front = front::FrontDoor::open(
      {.listen = listen_options(settings, *listen),
       .threads = gateways_are_served_apart(settings) ? settings.threads : 0},
      [&](int thread) { return make_decider(settings.threads + thread); },
      [server = self->grpc_.get()](Fd socket) { server->adopt(std::move(socket)); });
  if (!front.ok()) return front.status();
  self->front_ = *std::move(front);
  return self;
}

void Doors::drain(std::chrono::milliseconds patience) {
  front_->close(patience);
  grpc_->drain(patience);
  front_->join();
}

}  // namespace quota
