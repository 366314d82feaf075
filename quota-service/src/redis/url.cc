#include "redis/url.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace quota::redis {
namespace {

struct Scheme {
  std::string_view name;
  Topology topology = Topology::kSingle;
  bool tls = false;
  bool unix_socket = false;
};

constexpr std::array<Scheme, 7> kSchemes = {{
    {"redis", Topology::kSingle},
    {"rediss", Topology::kSingle, true},
    {"redis+unix", Topology::kSingle, false, true},
    {"redis-sentinel", Topology::kSentinel},
    {"rediss-sentinel", Topology::kSentinel, true},
    {"redis-cluster", Topology::kCluster},
    {"rediss-cluster", Topology::kCluster, true},
}};

constexpr int kRedisPort = 6379;
constexpr int kSentinelPort = 26379;
constexpr int kMostDatabase = 999'999;

// No sentence repeats any of the text: a forgotten or a doubled '@' makes a host of a password.
absl::Status invalid(std::string_view sentence) {
  return absl::InvalidArgumentError(absl::string_view(sentence.data(), sentence.size()));
}

const Scheme* find_scheme(std::string_view name) {
  const auto* found = std::find_if(kSchemes.begin(), kSchemes.end(),
                                   [&](const Scheme& scheme) { return scheme.name == name; });
  return found == kSchemes.end() ? nullptr : found;
}

std::optional<int> parse_number(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most || text.front() == '-') return std::nullopt;
  return value;
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

absl::StatusOr<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return invalid("a % in the user or the password must be followed by two hex digits");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

absl::Status parse_credentials(std::string_view text, Url& url) {
  const size_t colon = text.find(':');
  absl::StatusOr<std::string> user = percent_decoded(text.substr(0, colon));
  if (!user.ok()) return user.status();
  url.user = *std::move(user);
  if (colon == std::string_view::npos) return absl::OkStatus();
  absl::StatusOr<std::string> password = percent_decoded(text.substr(colon + 1));
  if (!password.ok()) return password.status();
  url.password = *std::move(password);
  return absl::OkStatus();
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

absl::StatusOr<Address> parse_address(std::string_view text, int default_port) {
  Address address{"", default_port};
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return invalid("an address lacks the ']' after its '['");
    address.host = text.substr(1, end - 1);
    in6_addr parsed{};
    if (inet_pton(AF_INET6, address.host.c_str(), &parsed) != 1) {
      return invalid("what is in [brackets] must be an IPv6 address");
    }
    rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return invalid("after ']' comes only :port");
  } else {
    const size_t colon = text.find(':');
    address.host = text.substr(0, colon);
    if (address.host.empty()) return invalid("an address lacks its host");
    if (!is_name(address.host)) {
      return invalid("a host is made of letters, digits, '.', '-' and '_', or is [IPv6]");
    }
    if (colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (rest.empty()) return address;
  const std::optional<int> port = parse_number(rest.substr(1), 1, 65535);
  if (!port) return invalid("a port must be a number from 1 to 65535");
  address.port = *port;
  return address;
}

absl::Status parse_addresses(std::string_view text, Url& url) {
  const int default_port = url.topology == Topology::kSentinel ? kSentinelPort : kRedisPort;
  for (;;) {
    const size_t comma = text.find(',');
    absl::StatusOr<Address> address = parse_address(text.substr(0, comma), default_port);
    if (!address.ok()) return address.status();
    if (std::find(url.addresses.begin(), url.addresses.end(), *address) == url.addresses.end()) {
      url.addresses.push_back(*std::move(address));
    }
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  if (url.topology == Topology::kSingle && url.addresses.size() > 1) {
    return invalid("more than one address needs redis-sentinel:// or redis-cluster://");
  }
  return absl::OkStatus();
}

absl::Status parse_database(std::string_view text, Url& url) {
  const std::optional<int> database = parse_number(text, 0, kMostDatabase);
  if (!database) {
    return invalid(fmt::format("a database must be a number from 0 to {}", kMostDatabase));
  }
  url.database = *database;
  return absl::OkStatus();
}

// What follows '?': only a database, and only where it cannot be the path.
absl::Status parse_query(std::string_view text, Url& url) {
  if (!text.starts_with("db=")) return invalid("after '?' comes only db= and a number");
  return parse_database(text.substr(3), url);
}

absl::Status parse_path(std::string_view path, Url& url) {
  switch (url.topology) {
    case Topology::kSingle:
      return path.empty() ? absl::OkStatus() : parse_database(path, url);
    case Topology::kCluster:
      if (path.empty() || path == "0") return absl::OkStatus();
      return invalid("a cluster has no database but 0");
    case Topology::kSentinel:
      break;
  }
  if (path.empty()) {
    return invalid("redis-sentinel:// needs the name of the primary, as in host:26379/mymaster");
  }
  if (!is_name(path)) {
    return invalid("the name of the primary is made of letters, digits, '.', '-' and '_'");
  }
  url.master = path;
  return absl::OkStatus();
}

absl::Status parse_unix(std::string_view rest, Url& url) {
  const size_t question = rest.find('?');
  const std::string_view path = rest.substr(0, question);
  if (!path.starts_with('/') || path.size() < 2) {
    return invalid("redis+unix:// needs the absolute path of a socket");
  }
  // sun_path, with the zero at its end.
  if (path.size() > 107) return invalid("the path of a unix socket has at most 107 characters");
  url.addresses.push_back({std::string(path), 0});
  return question == std::string_view::npos ? absl::OkStatus()
                                            : parse_query(rest.substr(question + 1), url);
}

absl::Status check_tls(const Url& url) {
  if (!url.tls) return absl::OkStatus();
#ifdef QUOTA_HAS_REDIS_TLS
  return absl::OkStatus();
#else
  return absl::UnimplementedError(
      fmt::format("rediss:// needs hiredis 1.0 or newer with TLS (Debian 13); this quotad is built "
                  "with hiredis {}.{} and without",
                  HIREDIS_MAJOR, HIREDIS_MINOR));
#endif
}

}  // namespace

std::string Address::text() const {
  if (is_unix()) return host;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::string Url::text() const {
  std::string text;
  for (const Scheme& scheme : kSchemes) {
    const bool unix_socket = !addresses.empty() && addresses.front().is_unix();
    if (scheme.topology == topology && scheme.tls == tls && scheme.unix_socket == unix_socket) {
      text = fmt::format("{}://", scheme.name);
    }
  }
  // The user as well: some write a password there.
  if (!user.empty() || !password.empty()) text += "***@";
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (i > 0) text += ',';
    text += addresses[i].text();
  }
  if (!master.empty()) text += "/" + master;
  if (database == 0) return text;
  const bool as_path =
      topology == Topology::kSingle && !addresses.empty() && !addresses.front().is_unix();
  return text + fmt::format("{}{}", as_path ? "/" : "?db=", database);
}

bool is_redis_url(std::string_view text) {
  const size_t end = text.find("://");
  return end != std::string_view::npos && text.starts_with("redis") &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '+' || c == '-'; });
}

absl::StatusOr<Url> parse_url(std::string_view text) {
  const size_t end = text.find("://");
  const Scheme* scheme = end == std::string_view::npos ? nullptr : find_scheme(text.substr(0, end));
  if (scheme == nullptr) {
    return invalid(
        "the address of a Redis begins with redis://, rediss://, redis+unix://, "
        "redis-sentinel://, rediss-sentinel://, redis-cluster:// or rediss-cluster://");
  }
  Url url;
  url.topology = scheme->topology;
  url.tls = scheme->tls;
  std::string_view rest = text.substr(end + 3);

  // The last '@' ends the secret part, so that one in a password leaks nothing; but a path, which
  // begins with '/', may have its own.
  const size_t at = scheme->unix_socket ? (rest.starts_with('/') ? rest.npos : rest.rfind("@/"))
                                        : rest.rfind('@');
  if (at != std::string_view::npos) {
    if (absl::Status status = parse_credentials(rest.substr(0, at), url); !status.ok()) {
      return status;
    }
    rest.remove_prefix(at + 1);
  }
  if (scheme->unix_socket) {
    if (absl::Status status = parse_unix(rest, url); !status.ok()) return status;
    return url;
  }

  const size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    if (url.topology != Topology::kSentinel) {
      return invalid("a '?' may follow only redis+unix:// and redis-sentinel://");
    }
    if (absl::Status status = parse_query(rest.substr(question + 1), url); !status.ok()) {
      return status;
    }
    rest = rest.substr(0, question);
  }
  const size_t slash = rest.find('/');
  if (absl::Status status = parse_addresses(rest.substr(0, slash), url); !status.ok()) {
    return status;
  }
  const std::string_view path =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (absl::Status status = parse_path(path, url); !status.ok()) return status;
  if (absl::Status status = check_tls(url); !status.ok()) return status;
  return url;
}

}  // namespace quota::redis
