// `quota_attribute name value`: what the sidecar is told about a request beside its method, path
// and address.
#pragma once

#include <array>
#include <span>

#include "codec.h"
#include "ngx.h"

namespace quota {

inline constexpr size_t kMaxAttributes = 32;   // of one location
inline constexpr size_t kMaxText = 16 * 1024;  // of one value; what is longer is cut

// One directive, compiled. Lives in the configuration's pool.
class Attribute {
 public:
  // nullptr when there is no memory left or the value is wrong, which has then been logged.
  static Attribute* create(ngx_conf_t* cf, ngx_str_t name, ngx_str_t value);

  std::string_view name() const { return view(name_); }

  // Throws std::bad_alloc.
  Fact evaluate(ngx_http_request_t* r) const;

 private:
  bool compile(ngx_conf_t* cf, ngx_str_t value);
  bool note_header_variables(ngx_conf_t* cf, std::string_view value);
  std::string_view value_for(ngx_http_request_t* r) const;

  Field field_;
  ngx_str_t name_;
  ngx_str_t header_;   // `x_api_key` if the value is just `$http_x_api_key`
  ngx_array_t stale_;  // of ngx_int_t: variables of request headers in the value
  ngx_http_complex_value_t value_;
};

// Whether `name` can be an attribute's: it becomes a protobuf string, where a byte that is not
// UTF-8 would spoil the batch.
bool is_attribute_name(std::string_view name);

// The facts of one request, for a Check.
class Facts {
 public:
  // Attributes without a value are left out. The request's traceparent is one of them by itself,
  // unless an attribute of this name is configured. What was gathered before is gone. Throws
  // std::bad_alloc.
  void gather(ngx_http_request_t* r, std::span<Attribute* const> attributes);

  std::span<const Fact> get() const { return {facts_.data(), size_}; }

 private:
  void add(const Fact& fact);

  std::array<Fact, kMaxAttributes + 1> facts_;
  size_t size_ = 0;
};

}  // namespace quota
