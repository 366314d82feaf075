#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/http.h"

namespace quota::admin {

// For whom requests may be. A page from elsewhere can make its own name lead to this host and then
// read what it likes with the help of somebody's browser; but the browser says the page's name.
class Hosts {
 public:
  // Besides IP addresses and localhost.
  explicit Hosts(const std::vector<std::string>& names);

  // Nothing when the request may be answered. Scrapes and probes always may: they show no more than
  // numbers, and come under names that are not known here.
  std::optional<Reply> refuse(const Request& request) const;

 private:
  bool accepts(std::string_view host) const;

  std::vector<std::string> names_;  // in small letters
};

}  // namespace quota::admin
