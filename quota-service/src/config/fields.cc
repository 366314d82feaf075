#include "config/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/http_url.h"
#include "config/invalid.h"

namespace quota::config {
namespace {

absl::Status check_listen(const std::string& text) { return parse_listen(text).status(); }

absl::Status check_admin_listen(const std::string& text) {
  if (text == "off") return absl::OkStatus();
  const auto address = parse_listen(text);
  if (!address.ok()) return address.status();
  if (address->is_unix) {
    return invalid("the admin API listens on host:port, or \"off\" for none");
  }
  return absl::OkStatus();
}

absl::Status check_hosts(const std::string& text) { return parse_hosts(text).status(); }

absl::Status check_store(const std::string& text) { return parse_store(text).status(); }

absl::Status check_bool(const std::string& text) {
  if (text == "true" || text == "false") return absl::OkStatus();
  return invalid("\"{}\" is neither true nor false", text);
}

absl::Status check_switch(const std::string& text) {
  if (text == "on" || text == "off") return absl::OkStatus();
  return invalid("\"{}\" is neither on nor off", text);
}

absl::Status check_journal(const std::string& text) {
  if (text == "off" || (text.starts_with('/') && !text.ends_with('/'))) return absl::OkStatus();
  return invalid("\"{}\" is not the absolute path of a file, nor off for none", text);
}

absl::Status check_socket_mode(const std::string& text) { return parse_socket_mode(text).status(); }

absl::Status check_log_level(const std::string& text) {
  for (const char* level : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (text == level) return absl::OkStatus();
  }
  return invalid("\"{}\" is not one of trace, debug, info, warn, error, off", text);
}

absl::Status check_log_format(const std::string& text) {
  if (text == "text" || text == "json") return absl::OkStatus();
  return invalid("\"{}\" is neither text nor json", text);
}

absl::Status check_events(const std::string& text) {
  if (text == "off" || text == "file" || text == "redis") return absl::OkStatus();
  return invalid("\"{}\" is not one of off, file, redis", text);
}

absl::Status check_events_file(const std::string& text) {
  if (text.empty() || (text.starts_with('/') && !text.ends_with('/'))) return absl::OkStatus();
  return invalid("\"{}\" is not the absolute path of a file", text);
}

absl::Status check_webhook(const std::string& text) {
  return text.empty() ? absl::OkStatus() : parse_http_url(text).status();
}

absl::Status check_header_style(const std::string& text) {
  for (const char* style : {"both", "legacy", "ietf", "off"}) {
    if (text == style) return absl::OkStatus();
  }
  return invalid("\"{}\" is not one of both, legacy, ietf, off", text);
}

absl::Status check_on_error(const std::string& text) {
  if (text == "error" || text == "allow" || text == "deny") return absl::OkStatus();
  return invalid("\"{}\" is not one of error, allow, deny", text);
}

absl::Status check_privacy(const std::string& text) {
  if (text == "full" || text == "hashed" || text == "minimal") return absl::OkStatus();
  return invalid("\"{}\" is not one of full, hashed, minimal", text);
}

constexpr int64_t kBillion = 1'000'000'000;
constexpr int64_t kHourMs = 3'600'000;

// The one list of settings; `config` and `check_only` say where to read and what to do instead.
constexpr std::array kFields = {
    Field{"listen", "Decisions", "ADDRESS", "where gateways ask: unix:/path or host:port",
          &Settings::listen, 0, 0, check_listen},
    Field{"socket_mode", "Decisions", "OCTAL", "permissions of the unix socket",
          &Settings::socket_mode, 0, 0, check_socket_mode},
    Field{"socket_group", "Decisions", "GROUP", "group that owns the unix socket",
          &Settings::socket_group},
    Field{"tls_cert", "Decisions", "FILE", "certificate chain in PEM, for host:port",
          &Settings::tls_cert},
    Field{"tls_key", "Decisions", "FILE", "its private key in PEM", &Settings::tls_key},
    Field{"tls_client_ca", "Decisions", "FILE", "gateways must show a certificate of this CA",
          &Settings::tls_client_ca},
    Field{"threads", "Decisions", "N",
          "threads that decide for gateways, 1 to 64; as many for gRPC clients", &Settings::threads,
          1, 64},
    Field{"drain_timeout_ms", "Decisions", "MS", "how long a stop waits for open streams",
          &Settings::drain_timeout_ms, 0, kHourMs},
    Field{"rls", "Envoy", "SWITCH",
          "on: serve Envoy's rate limit service on the same address; or off", &Settings::rls, 0, 0,
          check_switch},
    Field{"rls_headers", "Envoy", "STYLE",
          "headers that Envoy adds to its answers: both, legacy, ietf or off",
          &Settings::rls_headers, 0, 0, check_header_style},
    Field{"rls_body", "Envoy", "SWITCH", "on: refusals come with a problem+json body; or off",
          &Settings::rls_body, 0, 0, check_switch},
    Field{"rls_on_error", "Envoy", "HOW",
          "what cannot be decided: error, and Envoy rules; or allow, deny", &Settings::rls_on_error,
          0, 0, check_on_error},
    Field{"policy", "Policy", "FILE", "policy.yaml; without one the built-in policy is in force",
          &Settings::policy},
    Field{"policy_poll_ms", "Policy", "MS", "how often its content is compared, besides notices",
          &Settings::policy_poll_ms, 100, kHourMs},
    Field{"store", "State", "URL",
          "local:///path, redis://…, redis+unix:///path, redis-sentinel://…/master or "
          "redis-cluster://…; rediss… for TLS",
          &Settings::store, 0, 0, check_store},
    Field{"store_password_file", "State", "FILE",
          "password of Redis; or QUOTAD_STORE_PASSWORD holds it", &Settings::store_password_file},
    Field{"store_exact", "State", "BOOL", "true: ask Redis for each check, and lease nothing ahead",
          &Settings::store_exact, 0, 0, check_bool},
    Field{"store_lease_ttl_ms", "State", "MS", "life of a lease of Redis' buckets",
          &Settings::store_lease_ttl_ms, 200, 60'000},
    Field{"store_command_timeout_ms", "State", "MS", "silence after which Redis counts as lost",
          &Settings::store_command_timeout_ms, 10, 60'000},
    Field{"store_journal", "State", "FILE",
          "keeps what Redis could not be told, each quotad its own; off for none",
          &Settings::store_journal, 0, 0, check_journal},
    Field{"store_tls_ca", "State", "FILE", "CA of Redis' certificate in PEM, for rediss…",
          &Settings::store_tls_ca},
    Field{"store_tls_cert", "State", "FILE", "client certificate in PEM",
          &Settings::store_tls_cert},
    Field{"store_tls_key", "State", "FILE", "its private key in PEM", &Settings::store_tls_key},
    Field{"store_tls_server_name", "State", "NAME",
          "name to ask for and to expect, by default the host", &Settings::store_tls_server_name},
    Field{"store_timeout_ms", "State", "MS", "how long a decision waits for the store",
          &Settings::store_timeout_ms, 1, 60'000},
    Field{"usage", "State", "SWITCH",
          "on: keep what each consumer uses, by endpoint and day; or off", &Settings::usage, 0, 0,
          check_switch},
    Field{"max_subjects", "State", "N", "consumers kept in memory", &Settings::max_subjects, 1,
          kBillion},
    Field{"max_anonymous", "State", "N", "anonymous addresses kept in memory",
          &Settings::max_anonymous, 1, kBillion},
    Field{"idle_retention_s", "State", "SECONDS", "how long an idle subject is remembered",
          &Settings::idle_retention_s, 1, kBillion},
    Field{"admin_listen", "Admin API", "ADDRESS", "host:port of metrics and admin API, or off",
          &Settings::admin_listen, 0, 0, check_admin_listen},
    Field{"admin_hosts", "Admin API", "NAMES",
          "names it answers to besides addresses and localhost, with commas between",
          &Settings::admin_hosts, 0, 0, check_hosts},
    Field{"admin_token_file", "Admin API", "FILE",
          "token that writes must carry; or QUOTAD_ADMIN_TOKEN holds it",
          &Settings::admin_token_file},
    Field{"events", "Events", "WHERE", "where decision events go: off, file or redis",
          &Settings::events, 0, 0, check_events},
    Field{"events_file", "Events", "FILE", "of events: file; JSON lines", &Settings::events_file, 0,
          0, check_events_file},
    Field{"events_file_max_mb", "Events", "MB", "size at which the file is moved to FILE.1",
          &Settings::events_file_max_mb, 1, 1'000'000},
    Field{"events_sample", "Events", "RATE", "share of the allowed decisions that become events",
          &Settings::events_sample, 0, 1},
    Field{"events_denials_per_second", "Events", "N", "denials that become events, at most",
          &Settings::events_denials_per_second, 0, 1'000'000},
    Field{"events_batch", "Events", "N", "events written at once", &Settings::events_batch, 1,
          4'096},
    Field{"events_interval_ms", "Events", "MS", "how often events are written",
          &Settings::events_interval_ms, 10, 60'000},
    Field{"events_streams", "Events", "N", "of events: redis; streams that share them",
          &Settings::events_streams, 1, 1'024},
    Field{"events_maxlen", "Events", "N", "of events: redis; batches that a stream keeps, about",
          &Settings::events_maxlen, 1, 10'000'000},
    Field{"events_privacy", "Events", "HOW", "what they show of who asks: full, hashed or minimal",
          &Settings::events_privacy, 0, 0, check_privacy},
    Field{"events_hash_key_file", "Events", "FILE",
          "key of the hashes; or QUOTAD_EVENTS_HASH_KEY holds it", &Settings::events_hash_key_file},
    Field{"webhook_url", "Events", "URL", "is told of months used up and of first denials",
          &Settings::webhook_url, 0, 0, check_webhook},
    Field{"webhook_secret_file", "Events", "FILE",
          "signs what it is told; or QUOTAD_WEBHOOK_SECRET holds it",
          &Settings::webhook_secret_file},
    Field{"log_denials", "Log", "BOOL", "log a denial each second, with a count of the others",
          &Settings::log_denials, 0, 0, check_bool},
    Field{"slow_decision_ms", "Log", "MS",
          "log decisions that waited for the store longer; 0 for none", &Settings::slow_decision_ms,
          0, kHourMs},
    Field{"log_level", "Log", "LEVEL", "trace, debug, info, warn, error or off",
          &Settings::log_level, 0, 0, check_log_level},
    Field{"log_format", "Log", "FORMAT", "text or json", &Settings::log_format, 0, 0,
          check_log_format},
};

template <typename Integer>
absl::Status assign_number(const Field& field, const std::string& text, Integer& target) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < field.least || number > field.most) {
    return invalid("\"{}\" is not a whole number from {} to {}", text, field.least, field.most);
  }
  target = static_cast<Integer>(number);
  return absl::OkStatus();
}

absl::Status assign_decimal(const Field& field, const std::string& text, double& target) {
  double number = 0;
  const bool is_plain = text.find_first_not_of("0123456789.") == std::string::npos;
  if (!is_plain || !absl::SimpleAtod(text, &number) ||
      !(number >= static_cast<double>(field.least) && number <= static_cast<double>(field.most))) {
    return invalid("\"{}\" is not a number from {} to {} such as {}.1", text, field.least,
                   field.most, field.least);
  }
  target = number;
  return absl::OkStatus();
}

}  // namespace

std::span<const Field> fields() { return kFields; }

const Field* find_field(std::string_view name) {
  const auto found = std::ranges::find(kFields, name, &Field::name);
  return found == kFields.end() ? nullptr : &*found;
}

std::string flag_of(const Field& field) {
  std::string flag = fmt::format("--{}", field.name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string variable_of(const Field& field) {
  return "QUOTAD_" + absl::AsciiStrToUpper(std::string(field.name));
}

absl::Status assign(const Field& field, const std::string& text, Settings& settings) {
  if (const auto* number = std::get_if<int Settings::*>(&field.member)) {
    return assign_number(field, text, settings.*(*number));
  }
  if (const auto* number = std::get_if<int64_t Settings::*>(&field.member)) {
    return assign_number(field, text, settings.*(*number));
  }
  if (const auto* number = std::get_if<double Settings::*>(&field.member)) {
    return assign_decimal(field, text, settings.*(*number));
  }
  if (field.check != nullptr) {
    if (absl::Status status = field.check(text); !status.ok()) return status;
  }
  settings.*std::get<std::string Settings::*>(field.member) = text;
  return absl::OkStatus();
}

std::string to_text(const Field& field, const Settings& settings) {
  return std::visit([&](auto member) { return fmt::to_string(settings.*member); }, field.member);
}

}  // namespace quota::config
