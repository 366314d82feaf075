#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redis/url.h"

namespace quota::config {

// How quotad runs, from quotad.yaml, QUOTAD_… and flags, later ones winning. Each setting has the
// same name in all three: `admin_listen`, QUOTAD_ADMIN_LISTEN, --admin-listen.
struct Settings {
  std::string config;  // the file these were read from; empty: none
  std::string listen = "unix:/tmp/quota.sock";
  std::string socket_mode = "0660";
  std::string socket_group;  // empty: leave as it is
  std::string tls_cert, tls_key, tls_client_ca;
  std::string rls = "on";                       // or off
  std::string rls_headers = "both";             // or legacy, ietf, off
  std::string rls_body = "on";                  // or off
  std::string rls_on_error = "error";           // or allow, deny
  std::string admin_listen = "127.0.0.1:9180";  // "off": none
  std::string admin_hosts;                      // names it may be asked by, with commas between
  std::string admin_token_file;                 // or QUOTAD_ADMIN_TOKEN itself
  std::string store = "local:///tmp/quotad-state.db";
  std::string policy;  // empty: the built-in one
  int policy_poll_ms = 10'000;
  int threads = 1;
  int64_t max_subjects = 1'000'000;
  int64_t max_anonymous = 250'000;
  int64_t idle_retention_s = 3600;
  int store_timeout_ms = 5;
  std::string store_password_file;  // or QUOTAD_STORE_PASSWORD itself
  std::string store_exact = "false";
  int store_lease_ttl_ms = 2'000;
  int store_command_timeout_ms = 250;
  std::string store_journal = "/tmp/quotad-journal.db";  // "off": none
  std::string usage = "on";                              // or off
  std::string store_tls_ca, store_tls_cert, store_tls_key, store_tls_server_name;
  int drain_timeout_ms = 5'000;
  std::string events = "off";  // or file, redis
  std::string events_file;
  int events_file_max_mb = 100;
  double events_sample = 0.1;
  int events_denials_per_second = 1'000;
  int events_batch = 256;
  int events_interval_ms = 100;
  int events_streams = 4;
  int events_maxlen = 2'000;
  std::string events_privacy = "hashed";  // or full, minimal
  std::string events_hash_key_file;       // or QUOTAD_EVENTS_HASH_KEY itself
  std::string webhook_url;
  std::string webhook_secret_file;  // or QUOTAD_WEBHOOK_SECRET itself
  std::string log_denials = "true";
  int slow_decision_ms = 20;  // 0: none is
  std::string log_level = "info";
  std::string log_format = "text";  // or json
  bool check_only = false;          // --check: validate everything, start nothing

  // Read from their files or the environment; never printed.
  std::string admin_token;
  std::string store_password;
  std::string events_hash_key;
  std::string webhook_secret;
};

// What main does next: run with the settings, or leave with this text and code (--help, --version).
struct ParsedArguments {
  Settings settings;
  std::optional<int> exit_code;
  std::string output;
  std::vector<std::string> warnings;  // worth a log line each; nothing is wrong enough to stop
};

absl::StatusOr<ParsedArguments> parse_arguments(int argc, const char* const* argv);

// unix:/path or host:port. `loopback` is false for any address that others could reach.
struct ListenAddress {
  bool is_unix = false;
  std::string path;
  std::string host;
  int port = 0;
  bool loopback = false;
};
absl::StatusOr<ListenAddress> parse_listen(const std::string& text);

// "a.example, b.example" as its names, without ports.
absl::StatusOr<std::vector<std::string>> parse_hosts(const std::string& text);

// local:///abs/path: the file of the embedded store; or one of the Redis URLs of redis/url.h.
struct StoreAddress {
  std::string path;                 // of the embedded store
  std::optional<redis::Url> redis;  // any other

  // Fit for logs: never holds a password.
  std::string text() const;
};
absl::StatusOr<StoreAddress> parse_store(const std::string& text);

// "0660" as the bits that chmod takes.
absl::StatusOr<unsigned> parse_socket_mode(const std::string& text);

// Rules that concern several settings at once: TCP beyond loopback needs TLS, an admin address
// beyond loopback needs a token, and the like.
absl::Status validate(const Settings& settings);

}  // namespace quota::config
