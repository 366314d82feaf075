#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "admin/http.h"

// Reading the JSON that callers send. No message repeats a value: it may be a credential.
namespace quota::admin {

template <typename... Args>
absl::Status bad_request(fmt::format_string<Args...> sentence, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(sentence, std::forward<Args>(args)...));
}

// The body as an object that holds no members but `known`.
absl::StatusOr<Json> parse_object(const std::string& body,
                                  std::initializer_list<std::string_view> known);
absl::Status refuse_unknown(const Json& object, std::initializer_list<std::string_view> known);

absl::StatusOr<std::string> text_field(const Json& object, std::string_view name);
absl::StatusOr<int64_t> whole_field(const Json& object, std::string_view name, int64_t least,
                                    int64_t most);

// That each parameter of the query is one of `known` and is given once, so that a misspelt one does
// not pass for none at all.
absl::Status refuse_unknown_query(const Request& request,
                                  std::initializer_list<std::string_view> known);
// ?name=…
std::optional<std::string> text_query(const Request& request, const std::string& name);
// The same in digits; `fallback` when it is absent.
absl::StatusOr<int64_t> whole_query(const Request& request, const std::string& name, int64_t least,
                                    int64_t most, int64_t fallback);

}  // namespace quota::admin
