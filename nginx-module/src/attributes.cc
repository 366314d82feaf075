#include "attributes.h"

#include <algorithm>
#include <new>

#include "traceparent.h"

namespace quota {
namespace {

constexpr std::string_view kHeaderPrefix = "http_";

Field field_of(std::string_view name) {
  if (name == "api_key") return Field::kApiKey;
  if (name == "consumer") return Field::kConsumer;
  if (name == "tier") return Field::kTier;
  if (name == "bearer") return Field::kBearer;
  return Field::kAttributes;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The variable `text` starts with, `$name` or `${name}`: its name, or nothing. `*size` is how much
// of `text` it takes.
std::string_view variable_at(std::string_view text, size_t* size) {
  const size_t open = text.starts_with("${") ? 2 : 1;
  size_t end = open;
  while (end < text.size() && is_name_character(text[end])) ++end;
  *size = end + (open == 2 ? 1 : 0);
  return text.substr(open, end - open);
}

bool is_header_variable(std::string_view name) {
  return name.size() > kHeaderPrefix.size() &&
         ngx_strncasecmp(ngx_text(name).data, ngx_text(kHeaderPrefix).data, kHeaderPrefix.size()) ==
             0;
}

// As nginx compares a header with the name of its variable: `X-Api-Key` is `x_api_key`.
bool is_same_header(std::string_view header, std::string_view lower_name) {
  if (header.size() != lower_name.size()) return false;
  for (size_t i = 0; i < header.size(); ++i) {
    const char c = header[i] == '-' ? '_' : static_cast<char>(ngx_tolower(header[i]));
    if (c != lower_name[i]) return false;
  }
  return true;
}

// A header sent twice is one value, as in nginx since 1.23: whom a request claims to be must not
// depend on which of two headers somebody picks.
std::string_view join(ngx_pool_t* pool, std::string_view first, std::string_view separator,
                      std::string_view second) {
  auto* text =
      static_cast<char*>(ngx_pnalloc(pool, first.size() + separator.size() + second.size()));
  if (text == nullptr) throw std::bad_alloc();
  char* end = std::copy(first.begin(), first.end(), text);
  end = std::copy(separator.begin(), separator.end(), end);
  end = std::copy(second.begin(), second.end(), end);
  return {text, static_cast<size_t>(end - text)};
}

// Reads the request itself: a variable may hold what the header was before Lua changed it.
std::string_view request_header(ngx_http_request_t* r, std::string_view lower_name) {
  std::string_view value;
  bool found = false;
  for (const ngx_list_part_t* part = &r->headers_in.headers.part; part; part = part->next) {
    const auto* headers = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (headers[i].hash == 0 || !is_same_header(view(headers[i].key), lower_name)) continue;
      const std::string_view next = view(headers[i].value);
      value = found ? join(r->pool, value, lower_name == "cookie" ? "; " : ", ", next) : next;
      found = true;
    }
  }
  return value;
}

// The request's traceparent, if it has one that can be one.
std::string_view traceparent_of(ngx_http_request_t* r) {
  std::string_view found;
  for (const ngx_list_part_t* part = &r->headers_in.headers.part; part; part = part->next) {
    const auto* headers = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (headers[i].hash == 0 || !is_same_header(view(headers[i].key), kTraceparent)) continue;
      if (!found.empty()) return {};  // whose is it?
      found = view(headers[i].value);
      if (!may_be_traceparent(found)) return {};
    }
  }
  return found;
}

}  // namespace

bool is_attribute_name(std::string_view name) {
  constexpr size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_name_character(c) || c == '-' || c == '.'; });
}

Attribute* Attribute::create(ngx_conf_t* cf, ngx_str_t name, ngx_str_t value) {
  auto* attribute = static_cast<Attribute*>(ngx_pcalloc(cf->pool, sizeof(Attribute)));
  if (attribute == nullptr) return nullptr;
  attribute->field_ = field_of(view(name));
  attribute->name_ = name;
  return attribute->compile(cf, value) ? attribute : nullptr;
}

bool Attribute::compile(ngx_conf_t* cf, ngx_str_t value) {
  if (value.len > 1 && value.data[0] == '$') {
    size_t size = 0;
    const std::string_view variable = variable_at(view(value), &size);
    if (size == value.len && is_header_variable(variable)) {
      const std::string_view header = copy_text(cf->pool, variable.substr(kHeaderPrefix.size()));
      header_ = ngx_text(header);
      ngx_strlow(header_.data, header_.data, header_.len);
      return header_.data != nullptr;
    }
  }

  ngx_http_compile_complex_value_t compile{};
  compile.cf = cf;
  compile.value = &value;
  compile.complex_value = &value_;
  return ngx_http_compile_complex_value(&compile) == NGX_OK &&
         note_header_variables(cf, view(value));
}

bool Attribute::note_header_variables(ngx_conf_t* cf, std::string_view value) {
  if (ngx_array_init(&stale_, cf->pool, 1, sizeof(ngx_int_t)) != NGX_OK) return false;
  for (size_t at = value.find('$'); at != std::string_view::npos; at = value.find('$', at)) {
    size_t size = 0;
    const std::string_view variable = variable_at(value.substr(at), &size);
    at += size;
    if (!is_header_variable(variable)) continue;
    ngx_str_t name = ngx_text(variable);
    const ngx_int_t index = ngx_http_get_variable_index(cf, &name);
    auto* place = static_cast<ngx_int_t*>(ngx_array_push(&stale_));
    if (index == NGX_ERROR || place == nullptr) return false;
    *place = index;
  }
  return true;
}

std::string_view Attribute::value_for(ngx_http_request_t* r) const {
  if (header_.len != 0) return request_header(r, view(header_));

  const auto* indexes = static_cast<const ngx_int_t*>(stale_.elts);
  for (ngx_uint_t i = 0; i < stale_.nelts; ++i) {
    r->variables[indexes[i]].valid = 0;
    r->variables[indexes[i]].not_found = 0;
  }
  ngx_str_t value;
  // nginx does not write to the compiled value, but its type for it is not const.
  auto* compiled = const_cast<ngx_http_complex_value_t*>(&value_);
  if (ngx_http_complex_value(r, compiled, &value) != NGX_OK) throw std::bad_alloc();
  return view(value);
}

Fact Attribute::evaluate(ngx_http_request_t* r) const {
  return {field_, view(name_), value_for(r).substr(0, kMaxText)};
}

void Facts::gather(ngx_http_request_t* r, std::span<Attribute* const> attributes) {
  size_ = 0;
  bool has_traceparent = false;
  for (const Attribute* attribute : attributes.first(std::min(attributes.size(), kMaxAttributes))) {
    has_traceparent = has_traceparent || attribute->name() == kTraceparent;
    add(attribute->evaluate(r));
  }
  if (!has_traceparent) add({Field::kAttributes, kTraceparent, traceparent_of(r)});
}

void Facts::add(const Fact& fact) {
  if (!fact.value.empty()) facts_[size_++] = fact;
}

}  // namespace quota
