#include "admin/fields.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace quota::admin {

absl::StatusOr<Json> parse_object(const std::string& body,
                                  std::initializer_list<std::string_view> known) {
  Json json;
  try {
    json = Json::parse(body);
  } catch (const Json::parse_error& error) {
    return bad_request("the body is not valid JSON, from byte {} on", error.byte);
  }
  if (!json.is_object()) return bad_request("the body must be a JSON object");
  if (absl::Status status = refuse_unknown(json, known); !status.ok()) return status;
  return json;
}

absl::Status refuse_unknown(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& member : object.items()) {
    if (std::ranges::find(known, member.key()) != known.end()) continue;
    return bad_request("there is a member that is not known here; use {}", fmt::join(known, ", "));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> text_field(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return bad_request("{} must be a text", name);
  return found->get<std::string>();
}

absl::StatusOr<int64_t> whole_field(const Json& object, std::string_view name, int64_t least,
                                    int64_t most) {
  const auto found = object.find(name);
  const bool fits =
      found != object.end() && found->is_number_integer() &&
      (!found->is_number_unsigned() || found->get<uint64_t>() <= static_cast<uint64_t>(most)) &&
      found->get<int64_t>() >= least && found->get<int64_t>() <= most;
  if (!fits) return bad_request("{} must be a whole number from {} to {}", name, least, most);
  return found->get<int64_t>();
}

absl::Status refuse_unknown_query(const Request& request,
                                  std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, name) == known.end()) {
      return bad_request("there is a parameter that is not known here; use {}, nothing else",
                         fmt::join(known, ", "));
    }
    if (request.query.count(name) > 1) {
      return bad_request("{} is given twice; give it once", name);
    }
  }
  return absl::OkStatus();
}

std::optional<std::string> text_query(const Request& request, const std::string& name) {
  const auto asked = request.query.find(name);
  if (asked == request.query.end()) return std::nullopt;
  return asked->second;
}

absl::StatusOr<int64_t> whole_query(const Request& request, const std::string& name, int64_t least,
                                    int64_t most, int64_t fallback) {
  const auto asked = text_query(request, name);
  if (!asked) return fallback;
  const bool is_plain = asked->find_first_not_of("0123456789") == std::string::npos;
  int64_t number = 0;
  if (!is_plain || !absl::SimpleAtoi(*asked, &number) || number < least || number > most) {
    return bad_request("{} must be a whole number from {} to {}", name, least, most);
  }
  return number;
}

}  // namespace quota::admin
