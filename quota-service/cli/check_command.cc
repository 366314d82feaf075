#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "base/ip.h"
#include "cli/amounts.h"
#include "cli/facts.h"
#include "cli/session.h"
#include "cli/table.h"
#include "config/read_file.h"
#include "policy/decimal.h"
#include "quota/v1/quota.grpc.pb.h"

namespace quota::cli {
namespace {

struct CheckOptions {
  Facts facts;
  std::string socket;
  std::string target = "unix:/tmp/quota.sock";
  std::string tls_ca, tls_cert, tls_key;
  bool peek = false;
};

absl::StatusOr<v1::CheckRequest> request_of(const CheckOptions& options) {
  const Facts& facts = options.facts;
  v1::CheckRequest request;
  v1::Check& check = *request.mutable_check();
  check.set_id(1);
  check.set_method(facts.method);
  check.set_path(facts.path);
  if (!facts.client_ip.empty()) {
    const auto address = IpAddress::parse(facts.client_ip);
    if (!address) {
      return absl::InvalidArgumentError(
          fmt::format("--ip {} is not an IPv4 or IPv6 address", facts.client_ip));
    }
    check.set_client_ip(std::string(address->bytes()));
  }
  check.set_api_key(facts.api_key);
  check.set_consumer(facts.consumer);
  check.set_tier(facts.tier);
  check.set_bearer(facts.bearer);
  for (const auto& [name, value] : facts.attribute_map) (*check.mutable_attributes())[name] = value;
  check.set_hits(facts.hits);
  check.set_peek(options.peek);
  return request;
}

absl::StatusOr<std::string> read_pem(const std::string& path) {
  if (path.empty()) return std::string();
  return config::read_file(path, 1 << 20);
}

// In the clear unless the options name a CA: then TLS, and a certificate of our own if there is
// one.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials_of(
    const CheckOptions& options) {
  if (options.tls_ca.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  const std::pair<const std::string*, std::string*> files[] = {
      {&options.tls_ca, &tls.pem_root_certs},
      {&options.tls_cert, &tls.pem_cert_chain},
      {&options.tls_key, &tls.pem_private_key}};
  for (const auto& [path, target] : files) {
    auto pem = read_pem(*path);
    if (!pem.ok()) return pem.status();
    *target = *std::move(pem);
  }
  return grpc::SslCredentials(tls);
}

absl::StatusOr<v1::Verdict> ask(const CheckOptions& options, const v1::CheckRequest& request) {
  constexpr std::chrono::seconds kPatience{3};
  const std::string target = options.socket.empty() ? options.target : "unix:" + options.socket;
  const auto credentials = credentials_of(options);
  if (!credentials.ok()) return credentials.status();
  const auto stub = v1::QuotaService::NewStub(grpc::CreateChannel(target, *credentials));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::Verdict verdict;
  const grpc::Status status = stub->Check(&context, request, &verdict);
  if (status.ok()) return verdict;
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(
        fmt::format("cannot reach quotad at {}: is it running, and may you open its socket? "
                    "--socket or --target says where",
                    target));
  }
  return absl::InternalError(fmt::format("quotad refused the check: {}", status.error_message()));
}

std::string_view outcome_name(v1::Outcome outcome) {
  switch (outcome) {
    case v1::ALLOWED:
      return "allowed";
    case v1::DENIED:
      return "denied";
    case v1::EXEMPT:
      return "exempt";
    case v1::UNAUTHENTICATED:
      return "unauthenticated";
    default:
      return "unknown";
  }
}

Json limit_json(bool present, const v1::Limit& limit) {
  if (!present) return nullptr;
  return {{"limit", limit.limit()},
          {"remaining", limit.remaining()},
          {"reset_unix_ms", limit.reset_unix_ms()},
          {"window_s", limit.window_s()}};
}

void print_as_json(const v1::Verdict& verdict) {
  print_json({{"outcome", outcome_name(verdict.outcome())},
              {"reason", verdict.reason()},
              {"consumer", verdict.consumer()},
              {"tier", verdict.tier()},
              {"endpoint", verdict.endpoint()},
              {"cost", units(static_cast<int64_t>(verdict.cost_milli()))},
              {"minute", limit_json(verdict.has_minute(), verdict.minute())},
              {"month", limit_json(verdict.has_month(), verdict.month())},
              {"retry_after_ms", verdict.retry_after_ms()},
              {"shadow", verdict.shadow()},
              {"degraded", verdict.degraded()}});
}

void print_as_table(const v1::Verdict& verdict) {
  const auto limit = [](bool present, const v1::Limit& state) {
    return present ? fmt::format("{} of {} left", state.remaining(), state.limit()) : "no limit";
  };
  Table table;
  table.add({"Outcome", fmt::format("{} ({})", outcome_name(verdict.outcome()), verdict.reason())});
  table.add({"Consumer", verdict.consumer().empty() ? "-" : verdict.consumer()});
  table.add({"Tier", verdict.tier()});
  table.add({"Endpoint", verdict.endpoint()});
  table.add({"Cost", policy::milli_to_string(static_cast<int64_t>(verdict.cost_milli()))});
  table.add({"Minute", limit(verdict.has_minute(), verdict.minute())});
  table.add({"Month", limit(verdict.has_month(), verdict.month())});
  if (verdict.retry_after_ms() > 0) {
    table.add({"Retry after", fmt::format("{} s", (verdict.retry_after_ms() + 999) / 1000)});
  }
  if (verdict.shadow()) table.add({"Shadow", "it would be denied if the policy were enforced"});
  if (verdict.degraded()) table.add({"Degraded", "it was decided without the store"});
  fmt::print("{}", table.to_string());
}

absl::StatusOr<ExitCode> check(const Session& session, CheckOptions& options) {
  if (absl::Status status = options.facts.complete(); !status.ok()) return status;
  const auto request = request_of(options);
  if (!request.ok()) return request.status();
  const auto verdict = ask(options, *request);
  if (!verdict.ok()) return verdict.status();
  if (session.json) {
    print_as_json(*verdict);
  } else {
    print_as_table(*verdict);
  }
  const bool passes = verdict->outcome() == v1::ALLOWED || verdict->outcome() == v1::EXEMPT;
  return passes ? kOk : kDenied;
}

}  // namespace

void add_check_command(CLI::App& app, Session& session) {
  CLI::App* const command =
      app.add_subcommand("check", "ask for a decision as a gateway does; it counts unless --peek");
  const auto options = std::make_shared<CheckOptions>();
  options->facts.add_options(*command);
  command->add_flag("--peek", options->peek, "take nothing");
  auto* const socket = command->add_option("--socket", options->socket, "unix socket of quotad");
  command->add_option("--target", options->target, "its address [unix:/tmp/quota.sock]")
      ->envname("QUOTACTL_TARGET")
      ->excludes(socket);
  auto* const ca = command->add_option("--tls-ca", options->tls_ca, "use TLS, and trust this CA");
  auto* const cert = command->add_option("--tls-cert", options->tls_cert, "our own certificate");
  auto* const key = command->add_option("--tls-key", options->tls_key, "its private key");
  cert->needs(ca)->needs(key);
  key->needs(cert);
  command->callback([&session, options] {
    session.command = [&session, options] { return check(session, *options); };
  });
}

}  // namespace quota::cli
