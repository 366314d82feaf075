#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/http.h"

namespace quota::admin {

// Finds the handler of a request by method and path.
class Router {
 public:
  // kPrivate: reads what not everybody may see.
  enum class Access { kRead, kPrivate, kWrite };
  // `id` is what stands in the place of {id}: any bytes but none at all.
  using Handler = std::function<Reply(const Request& request, const std::string& id)>;

  // A writing route is open only to requests that carry the token, a private one as well if there
  // is a token.
  explicit Router(std::string token) : token_(std::move(token)) {}

  // `pattern` is a path that may hold {id} once, which stands for everything between what is before
  // and behind it: the id of a consumer may contain slashes.
  void add(std::string_view method, std::string_view pattern, Access access, Handler handler);
  Reply route(const Request& request) const;

 private:
  struct Route {
    std::string method;
    std::string before;
    std::string behind;
    bool has_id = false;
    Access access = Access::kRead;
    Handler handler;

    bool matches(std::string_view path) const;
    std::string id_in(std::string_view path) const;
  };

  std::vector<Route> routes_;
  std::string token_;
};

}  // namespace quota::admin
