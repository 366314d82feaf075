#include "admin/router.h"

#include <fmt/format.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "admin/token.h"

namespace quota::admin {
namespace {

// With or without parameters, such as a charset.
bool is_json(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const absl::string_view stripped = absl::StripAsciiWhitespace({type.data(), type.size()});
  return absl::EqualsIgnoreCase(stripped, "application/json");
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Access access,
                 Handler handler) {
  constexpr std::string_view kId = "{id}";
  const size_t at = pattern.find(kId);
  Route route;
  route.method = method;
  route.before = pattern.substr(0, at);
  route.has_id = at != std::string_view::npos;
  if (route.has_id) route.behind = pattern.substr(at + kId.size());
  route.access = access;
  route.handler = std::move(handler);
  routes_.push_back(std::move(route));
}

Reply Router::route(const Request& request) const {
  // Who may ask for a resource may ask for its headers.
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  for (const Route& route : routes_) {
    if (!route.matches(request.path)) continue;
    if (route.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      continue;
    }
    const bool is_closed = route.access == Access::kPrivate && !token_.empty();
    if (route.access == Access::kWrite || is_closed) {
      if (auto refusal = refuse_write(request.authorization, token_)) return *std::move(refusal);
      // What a form of another site can send is none of these.
      if (!request.body.empty() && !is_json(request.content_type)) {
        return problem(415, "send the body with Content-Type: application/json");
      }
    }
    return route.handler(request, route.id_in(request.path));
  }
  if (allowed.empty()) return problem(404, "there is nothing at this path");
  Reply reply = problem(405, fmt::format("{} is not possible here; use {}", method, allowed));
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

bool Router::Route::matches(std::string_view path) const {
  if (!has_id) return path == before;
  return path.size() > before.size() + behind.size() && path.starts_with(before) &&
         path.ends_with(behind);
}

std::string Router::Route::id_in(std::string_view path) const {
  if (!has_id) return {};
  return std::string(path.substr(before.size(), path.size() - before.size() - behind.size()));
}

}  // namespace quota::admin
