#include "cli/admin_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include "base/http_url.h"
#include "cli/secrets.h"

namespace quota::cli {
namespace {

absl::Status refusal(int status, std::string detail, bool had_token) {
  switch (status) {
    case 401:
    case 403:
      if (status == 401 && !had_token) detail = "quotad wants its admin token for this";
      if (status == 401) detail += "; give it with --token-file or QUOTACTL_TOKEN";
      return absl::PermissionDeniedError(detail);
    case 404:
      return absl::NotFoundError(detail);
    case 409:
      return absl::AlreadyExistsError(detail);
    default:
      return absl::InvalidArgumentError(detail);
  }
}

}  // namespace

std::string percent_encode(std::string_view id) {
  std::string text;
  for (const char c : id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

absl::StatusOr<AdminClient> AdminClient::open(const Session& session) {
  auto url = parse_http_url(session.admin);
  if (!url.ok() || url->target != "/") {
    // It may hold a password: it is not repeated.
    return absl::InvalidArgumentError(
        "the address of the admin API must be http://host:port, without a path; see --admin and "
        "QUOTACTL_ADMIN");
  }
  auto token = read_secret(session.token_file, "QUOTACTL_TOKEN");
  if (!token.ok()) return token.status();
  return AdminClient(std::move(url->origin), *std::move(token));
}

absl::StatusOr<Json> AdminClient::call(const std::string& method, const std::string& path,
                                       const Json& body) const {
  constexpr time_t kSeconds = 10;
  httplib::Client client(url_);
  client.set_url_encode(false);  // paths come encoded
  client.set_connection_timeout(kSeconds);
  client.set_read_timeout(kSeconds);
  httplib::Request request;
  request.method = method;
  request.path = path;
  if (!token_.empty()) request.set_header("Authorization", "Bearer " + token_);
  if (!body.is_null()) {
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    request.set_header("Content-Type", "application/json");
  }
  const httplib::Result result = client.send(request);
  if (!result) {
    return absl::UnavailableError(fmt::format(
        "cannot reach quotad at {} ({}): is it running? --admin or QUOTACTL_ADMIN says where", url_,
        httplib::to_string(result.error())));
  }
  const Json answer = result->body.empty() ? Json() : Json::parse(result->body, nullptr, false);
  if (answer.is_discarded() || (result->status >= 400 && !answer.is_object())) {
    return absl::UnavailableError(
        fmt::format("what answers at {} is not quotad (HTTP {})", url_, result->status));
  }
  if (result->status < 400) return answer;
  return refusal(result->status, answer.value("detail", "quotad gave no reason"), !token_.empty());
}

}  // namespace quota::cli
