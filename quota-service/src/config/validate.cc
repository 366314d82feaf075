#include <string>
#include <string_view>

#include "config/fields.h"
#include "config/invalid.h"
#include "config/settings.h"

namespace quota::config {
namespace {

absl::Status validate_tls(const Settings& settings, const ListenAddress& listen) {
  if (settings.tls_cert.empty() != settings.tls_key.empty()) {
    return invalid("tls_cert and tls_key belong together: give both or neither");
  }
  const bool tls = !settings.tls_cert.empty();
  if (!settings.tls_client_ca.empty() && !tls) {
    return invalid(
        "tls_client_ca asks gateways for certificates, which needs tls_cert and tls_key too");
  }
  if (listen.is_unix && tls) {
    return invalid("tls_cert has no effect on {}: remove the tls_ settings, or listen on host:port",
                   settings.listen);
  }
  if (!listen.loopback && !tls) {
    return invalid(
        "listen: {} can be reached from other hosts: give tls_cert and tls_key, or listen on "
        "unix:/path or 127.0.0.1",
        settings.listen);
  }
  return absl::OkStatus();
}

absl::Status validate_admin(const Settings& settings) {
  if (settings.admin_listen == "off") return absl::OkStatus();
  const auto address = parse_listen(settings.admin_listen);
  if (!address.ok()) return address.status();
  if (!address->loopback && settings.admin_token.empty()) {
    return invalid(
        "admin_listen: {} can be reached from other hosts: give admin_token_file or "
        "QUOTAD_ADMIN_TOKEN, or listen on 127.0.0.1",
        settings.admin_listen);
  }
  return absl::OkStatus();
}

absl::Status validate_store(const Settings& settings) {
  const auto store = parse_store(settings.store);
  if (!store.ok()) return located(store.status(), "store");
  const bool tls_files = !settings.store_tls_ca.empty() || !settings.store_tls_cert.empty() ||
                         !settings.store_tls_key.empty() || !settings.store_tls_server_name.empty();
  if (!store->redis) {
    if (!settings.store_password.empty()) {
      return invalid("store_password has no effect on {}: remove it, or use Redis", store->text());
    }
    if (tls_files) {
      return invalid("the store_tls_ settings have no effect on {}: remove them", store->text());
    }
    return absl::OkStatus();
  }
  if (!settings.store_password.empty() && !store->redis->password.empty()) {
    return invalid("the store URL holds a password and so does {}: keep one of them",
                   settings.store_password_file.empty() ? "QUOTAD_STORE_PASSWORD"
                                                        : settings.store_password_file);
  }
  if (tls_files && !store->redis->tls) {
    return invalid("the store_tls_ settings have no effect on {}: use rediss…, or remove them",
                   store->text());
  }
  if (settings.store_tls_cert.empty() != settings.store_tls_key.empty()) {
    return invalid("store_tls_cert and store_tls_key belong together: give both or neither");
  }
  return absl::OkStatus();
}

absl::Status validate_events(const Settings& settings) {
  if (settings.events == "file" && settings.events_file.empty()) {
    return invalid("events: file needs events_file, the file to write to");
  }
  if (settings.events != "file" && !settings.events_file.empty()) {
    return invalid("events_file has no effect while events is {}: set it to file, or remove it",
                   settings.events);
  }
  const auto store = parse_store(settings.store);
  if (settings.events == "redis" && store.ok() && !store->redis) {
    return invalid("events: redis needs a store in Redis, and this one is {}: use events: file",
                   store->text());
  }
  if (settings.webhook_url.empty() != settings.webhook_secret.empty()) {
    return invalid(
        "webhook_url and its secret belong together: give webhook_secret_file or "
        "QUOTAD_WEBHOOK_SECRET with it, or neither");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StoreAddress> parse_store(const std::string& text) {
  constexpr std::string_view kLocal = "local://";
  if (redis::is_redis_url(text)) {
    auto url = redis::parse_url(text);
    if (!url.ok()) return url.status();
    return StoreAddress{.path = {}, .redis = *std::move(url)};
  }
  constexpr std::string_view kAdvice =
      "use local:///path, redis://host, redis+unix:///path, redis-sentinel://host,host/master or "
      "redis-cluster://host,host";
  if (!text.starts_with(kLocal)) {
    // The text may hold a password; only its scheme is safe to repeat.
    const size_t scheme = text.find("://");
    if (scheme == std::string::npos) return invalid("the store is not a URL; {}", kAdvice);
    return invalid("no store is known by {}://; {}", text.substr(0, scheme), kAdvice);
  }
  std::string path = text.substr(kLocal.size());
  if (!path.starts_with('/') || path.ends_with('/')) {
    return invalid(
        "\"{}\" does not name a file by an absolute path: write local:///var/lib/quotad/state.db, "
        "with three slashes",
        text);
  }
  return StoreAddress{.path = std::move(path), .redis = {}};
}

std::string StoreAddress::text() const { return redis ? redis->text() : "local://" + path; }

absl::StatusOr<unsigned> parse_socket_mode(const std::string& text) {
  const bool octal = (text.size() == 3 || (text.size() == 4 && text[0] == '0')) &&
                     text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) {
    return invalid("\"{}\" is not a mode in octal such as 0660", text);
  }
  return static_cast<unsigned>(std::stoul(text, nullptr, 8));
}

absl::Status validate(const Settings& settings) {
  // A caller may have filled the settings by hand, so each is held to its own rule first.
  Settings scratch;
  for (const Field& field : fields()) {
    absl::Status status = assign(field, to_text(field, settings), scratch);
    if (!status.ok()) return located(status, std::string(field.name));
  }
  const auto listen = parse_listen(settings.listen);
  if (!listen.ok()) return listen.status();
  if (absl::Status status = validate_tls(settings, *listen); !status.ok()) return status;
  if (absl::Status status = validate_store(settings); !status.ok()) return status;
  if (absl::Status status = validate_events(settings); !status.ok()) return status;
  return validate_admin(settings);
}

}  // namespace quota::config
